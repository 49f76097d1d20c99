// SPDX-License-Identifier: GPL-2.0-only
#include "tests/fuzz/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TIMERS_MAX   256 /* descriptors from 0 on */
#define VHOST_QUEUES 2

static atomic_uint to_fail; /* calls until one fails; 0: none */
static bool struck;
static bool timers[TIMERS_MAX]; /* armed */
static uint16_t terminal_cols, terminal_rows;
static int taps[FAULTS_TAPS_MAX];
static unsigned n_taps;

static struct {
	int call, error, kicks[VHOST_QUEUES]; /* the device's eventfds, or 0 */
	uint32_t base[VHOST_QUEUES];
} vhost;

void faults_arm(unsigned nth)
{
	to_fail = nth;
	struck = false;
}

bool faults_struck(void)
{
	return struck;
}

void faults_end(void)
{
	to_fail = 0;
	memset(timers, 0, sizeof(timers));
	memset(&vhost, 0, sizeof(vhost));
	terminal_cols = terminal_rows = 0;
	while (n_taps)
		close(taps[--n_taps]);
}

/* Whether this call is the one. */
static bool fails(int err)
{
	if (!to_fail || atomic_fetch_sub(&to_fail, 1) != 1)
		return false;
	struck = true;
	errno = err;
	return true;
}

/* --- what may fail ------------------------------------------------------------------------------------------------ */

/* NAME(arguments) of minivmm's files comes to __wrap_NAME(), and the C library's is __real_NAME(). */
#define WRAP(type, name, parameters, arguments, err, failed)          \
	type __real_##name parameters;                                \
	type __wrap_##name parameters;                                \
	type __wrap_##name parameters                                 \
	{                                                             \
		return fails(err) ? failed : __real_##name arguments; \
	}

WRAP(void *, malloc, (size_t size), (size), ENOMEM, NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), ENOMEM, NULL)
WRAP(void *, realloc, (void *old, size_t size), (old, size), ENOMEM, NULL)
WRAP(int, eventfd, (unsigned count, int flags), (count, flags), EMFILE, -1)
WRAP(int, epoll_create1, (int flags), (flags), EMFILE, -1)
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol), EMFILE, -1)
WRAP(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags), (fd, addr, len, flags), EMFILE, -1)
WRAP(int, madvise, (void *at, size_t len, int advice), (at, len, advice), EINVAL, -1)

int __real_epoll_ctl(int set, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
	/* of the others nobody who calls them right needs to fear anything */
	return op == EPOLL_CTL_ADD && fails(ENOSPC) ? -1 : __real_epoll_ctl(set, op, fd, event);
}

/* Always the same, so that an input does the same each time. */
ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags)
{
	(void)flags;
	if (fails(EINTR))
		return -1;
	memset(bytes, 0xa7, len);
	return (ssize_t)len;
}

/* --- time --------------------------------------------------------------------------------------------------------- */

int __real_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags)
{
	int fd = fails(EMFILE) ? -1 : __real_timerfd_create(clock, flags);

	if (fd >= 0 && fd < TIMERS_MAX)
		timers[fd] = false;
	return fd;
}

int __real_timerfd_settime(int fd, int flags, const struct itimerspec *spec, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *spec, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *spec, struct itimerspec *old)
{
	const struct itimerspec never = { 0 };

	(void)flags;
	if (fd >= 0 && fd < TIMERS_MAX)
		timers[fd] = spec->it_value.tv_sec || spec->it_value.tv_nsec;
	return __real_timerfd_settime(fd, 0, &never, old);
}

void faults_expire_timers(void)
{
	const struct itimerspec now = { .it_value = { .tv_nsec = 1 } };

	for (int fd = 0; fd < TIMERS_MAX; fd++)
		if (timers[fd])
			__real_timerfd_settime(fd, 0, &now, NULL);
}

/* --- devices of the host ------------------------------------------------------------------------------------------ */

void faults_terminal_size(uint16_t cols, uint16_t rows)
{
	terminal_cols = cols;
	terminal_rows = rows;
}

static int open_tap(int flags)
{
	int pair[2];

	if (fails(EMFILE) || n_taps == FAULTS_TAPS_MAX ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | (flags & O_CLOEXEC ? SOCK_CLOEXEC : 0), 0, pair))
		return -1;
	taps[n_taps++] = pair[1];
	return pair[0];
}

int faults_tap(unsigned n)
{
	return n < n_taps ? taps[n] : -1;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	va_list args;

	if (strcmp(path, "/dev/net/tun") == 0)
		return open_tap(flags);
	if (strcmp(path, "/dev/vhost-vsock") == 0)
		path = "/dev/null";
	va_start(args, flags);
	unsigned mode = flags & O_CREAT ? va_arg(args, unsigned) : 0;
	va_end(args);
	return fails(EMFILE) ? -1 : __real_open(path, flags, mode);
}

static int vhost_ioctl(unsigned long request, void *arg)
{
	struct vhost_vring_file *file = arg;
	struct vhost_vring_state *state = arg;

	if (fails(EIO))
		return -1;
	switch (request) {
	case VHOST_GET_FEATURES:
		*(uint64_t *)arg = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC |
				   1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VHOST_F_LOG_ALL | 3;
		if (fails(0)) /* an old one */
			*(uint64_t *)arg = 0;
		return 0;
	case VHOST_SET_VRING_CALL: vhost.call = file->fd; return 0;
	case VHOST_SET_VRING_ERR: vhost.error = file->fd; return 0;
	case VHOST_SET_VRING_KICK: vhost.kicks[file->index % VHOST_QUEUES] = file->fd; return 0;
	case VHOST_SET_VRING_BASE: vhost.base[state->index % VHOST_QUEUES] = state->num; return 0;
	case VHOST_GET_VRING_BASE: state->num = vhost.base[state->index % VHOST_QUEUES] + 1; return 0;
	default: return 0;
	}
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;

	va_start(args, request);
	void *arg = va_arg(args, void *);
	va_end(args);
	if (_IOC_TYPE(request) == VHOST_VIRTIO)
		return vhost_ioctl(request, arg);
	if (_IOC_TYPE(request) == 'T' && request != TIOCGWINSZ && request != TUNGETIFF)
		return fails(EPERM) ? -1 : 0;
	if (request != TIOCGWINSZ)
		return __real_ioctl(fd, request, arg);
	*(struct winsize *)arg = (struct winsize){ .ws_col = terminal_cols, .ws_row = terminal_rows };
	return 0;
}

static bool tell(int fd)
{
	const uint64_t one = 1;

	return fd && write(fd, &one, sizeof(one)) == sizeof(one);
}

bool faults_vhost_call(void)
{
	return tell(vhost.call);
}

bool faults_vhost_error(void)
{
	return tell(vhost.error);
}

uint64_t faults_vhost_kicks(void)
{
	uint64_t kicks = 0, count;

	for (unsigned q = 0; q < VHOST_QUEUES; q++)
		if (vhost.kicks[q] && read(vhost.kicks[q], &count, sizeof(count)) == sizeof(count))
			kicks += count;
	return kicks;
}
