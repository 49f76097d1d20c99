// SPDX-License-Identifier: GPL-2.0-only
#include "tests/fuzz/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/fuzz/faults.h"
#include "tests/unit/echo.h"
#include "vmm/loop.h"
#include "vmm/observe.h"
#include "vmm/terminal.h"
#include "vmm/vcpu.h"

#define FENCE      (1ull << 20)
#define ROUNDS_MAX 2000 /* of the loop until a device comes to rest; each does a bounded piece of work */
#define WAITS_MAX  2000 /* of 10 ms, for a disk; io_uring's own work ends some early */
#define DATA_MAX   (256u << 10)

static const char *const names[KINDS] = { "test", "rng", "balloon", "blk",   "console",
					  "net",  "net", "vsock",   "vsock", "echo" };

static int disk_fd, link_end;

void session_start(void)
{
	disk_fd = memfd_create("disk", MFD_CLOEXEC);
	fuzz_check(disk_fd >= 0, "memfd: %s", strerror(errno));
}

/* --- options ------------------------------------------------------------------------------------------------------ */

struct words {
	char text[768];
	size_t used;
};

static void word(struct words *words, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void word(struct words *words, const char *fmt, ...)
{
	size_t room = sizeof(words->text) - words->used;
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(words->text + words->used, room, fmt, args);
	va_end(args);
	fuzz_check(n >= 0 && (size_t)n < room, "the options are too long");
	words->used += (size_t)n;
}

/* A passed socket, as --device net,fd= wants it. */
static int make_link(struct session *s)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair))
		return -1;
	fcntl(pair[1], F_SETFD, FD_CLOEXEC);
	s->sockets[0] = pair[1];
	return pair[0];
}

/* The options of its kind, by three bits of the input. */
static void add_kind(struct session *s, struct words *words, unsigned bits)
{
	switch (s->kind) {
	case TEST: word(words, "delay=%s,period=1ms,num-pages=%u", bits & 1 ? "1m" : "1ms", bits); break;
	case RNG: word(words, bits & 1 ? "rate=640" : bits & 2 ? "rate=1M" : ""); break;
	case BALLOON:
		word(words, "size=4M%s%s%s", bits & 1 ? ",free-page-reporting=on" : "",
		     bits & 2 ? ",free-page-hint=on" : "", bits & 4 ? ",stats-interval=10ms" : "");
		break;
	case BLK:
		word(words, "path=/proc/self/fd/%d,queues=%u%s%s", s->disk, bits & 4 ? 3 : 1,
		     bits & 1 ? ",io=threads" : "", bits & 2 ? ",readonly=on" : "");
		break;
	case CONSOLE:
		for (unsigned i = 0; i < bits; i++)
			word(words, "%sport=p%u:%s/p%u", i ? "," : "", i, fuzz_dir, i);
		break;
	case NET: word(words, "fd=%d,mac=52:54:00:00:00:01", link_end); break;
	case TAP: word(words, "tap=lo,queues=%u", bits + 1); break;
	case VSOCK: word(words, "socket=%s/v", fuzz_dir); break;
	case VHOST: word(words, "cid=%u", 3 + bits); break;
	default: break;
	}
}

static void make_options(struct session *s, struct words *words)
{
	uint8_t bits = input_u8(&s->in), size = input_u8(&s->in);

	add_kind(s, words, bits & 7);
	word(words, "%snotify=%s", words->used ? "," : "", bits & 8 ? "ioeventfd" : "exit");
	word(words, "%s%s", bits & 16 ? ",event-idx=off" : "", bits & 32 ? ",indirect=off" : "");
	if (size % 16)
		word(words, ",queue-size=%u", 1u << (size % 16 % 12));
	if (size & 16)
		word(words, ",id=%u", size);
	s->quiet = size & 32;
}

/* --- the machine -------------------------------------------------------------------------------------------------- */

/* The same memory between pages that nobody may touch. */
static void fence(struct session *s)
{
	struct memory *memory = &s->rig.vm->memory;

	s->fence = mmap(NULL, SESSION_RAM + 2 * FENCE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	fuzz_check(s->fence != MAP_FAILED &&
			   mremap(memory->mapping, SESSION_RAM, SESSION_RAM, MREMAP_MAYMOVE | MREMAP_FIXED,
				  s->fence + FENCE) == s->fence + FENCE,
		   "guest RAM: %s", strerror(errno));
	memory->mapping = memory->regions[0].host = s->fence + FENCE;
}

/* The flight recorder, as in a run; its user reads of vCPUs. */
static bool observe(struct session *s)
{
	struct vm *vm = s->rig.vm;

	vm->vcpus = calloc(1, sizeof(*vm->vcpus));
	return vm->vcpus && observe_start(&vm->observer, vm) == 0;
}

static void end_observe(struct vm *vm)
{
	observe_end(vm->observer, VM_END_OK);
	vm->observer = NULL;
	free(vm->vcpus);
	vm->vcpus = NULL; /* there was none: its descriptors are not to be closed */
}

/* There is one terminal. */
static void add_second_console(struct session *s)
{
	struct driver second;

	if (s->kind == CONSOLE)
		fuzz_check(driver_add(&second, &s->rig, "console", NULL) == -EBUSY, "two devices have the terminal");
}

static bool make_machine(struct session *s, const char *options)
{
	struct rig *rig = &s->rig;

	rig->config = (struct vm_config){ .cmdline = "", .mem_size = SESSION_RAM, .cpus = 1, .no_recorder = s->quiet };
	rig->next_gpa = 1u << 20;
	if (vm_create(&rig->vm, &rig->config))
		return false;
	fence(s);
	if (driver_add(&rig->b, rig, "echo", "queue-size=8") || !driver_up(&rig->b, F_VERSION_1) ||
	    driver_add(&rig->a, rig, names[s->kind], options))
		return false;
	if (s->kind == CONSOLE && terminal_start(rig->vm->terminal))
		return false;
	return s->quiet || observe(s);
}

bool session_open(struct session *s, struct input *in)
{
	struct words words = { .used = 0 };

	memset(s, 0, sizeof(*s));
	s->in = *in;
	s->kind = (enum kind)(input_u8(&s->in) % KINDS);
	s->data = SESSION_DATA;
	s->disk = disk_fd;
	for (unsigned i = 0; i < SESSION_SOCKETS; i++)
		s->sockets[i] = -1;
	s->listeners[0] = s->listeners[1] = -1;
	uint8_t fault = input_u8(&s->in); /* half of the inputs meet no fault on their way */

	if (s->kind == BLK)
		fuzz_check(ftruncate(disk_fd, 0) == 0 && ftruncate(disk_fd, SESSION_DISK) == 0, "the image");
	link_end = s->kind == NET ? make_link(s) : -1;
	make_options(s, &words);
	host_open(s);
	faults_arm(fault & 1 ? fault / 2 : 0);
	bool ok = make_machine(s, words.text);

	fuzz_check(ok || faults_struck(), "--device %s,%s is refused", names[s->kind], words.text);
	faults_arm(0);
	if (ok && fault == 2)
		add_second_console(s);
	if (!ok)
		session_close(s);
	return ok;
}

void session_close(struct session *s)
{
	bool made = s->rig.a.dev;

	fuzz_drain(); /* so that nobody waits for room there */
	if (s->rig.vm)
		end_observe(s->rig.vm);
	vm_destroy(s->rig.vm);
	if (link_end >= 0) {
		bool open = fcntl(link_end, F_GETFD) >= 0;

		fuzz_check(!made || !open, "the link's descriptor was left open");
		if (open)
			close(link_end);
	}
	if (s->fence)
		munmap(s->fence, SESSION_RAM + 2 * FENCE);
	host_close(s);
}

/* --- work --------------------------------------------------------------------------------------------------------- */

/* Requests that the disk has not answered: what it does takes its time, which is waited for. */
static bool in_flight(const struct session *s)
{
	const struct virtio_dev *dev = s->rig.a.dev;

	for (unsigned q = 0; s->kind == BLK && virtio_driver_ok(dev) && q < dev->n_queues; q++)
		if (dev->queues[q].ready && dev->queues[q].n_out)
			return true;
	return false;
}

void session_settle(struct session *s)
{
	struct loop *loop = s->rig.vm->loop;
	unsigned rounds = 0, waits = 0;
	int n;

	do {
		fuzz_check(rounds++ < ROUNDS_MAX, "the device does not come to rest");
		n = loop_round(loop, 0);
		while (n == 0 && in_flight(s)) {
			fuzz_check(waits++ < WAITS_MAX, "the disk does not answer");
			n = loop_round(loop, 10);
		}
	} while (n > 0);
}

uint64_t session_buffer(struct session *s, uint32_t len)
{
	if (s->data + DATA_MAX > SESSION_RAM)
		s->data = SESSION_DATA;
	uint64_t gpa = s->data;

	s->data += len;
	return gpa;
}

bool session_add(struct session *s, unsigned q, const struct piece *pieces, unsigned n, bool table)
{
	struct ring *ring = &s->rig.a.rings[q];
	unsigned taken = table ? 1 : n;

	if (ring->num < taken || n == 0)
		return false;
	if (s->next_head[q] + taken > ring->num)
		s->next_head[q] = 0;
	if (table && s->rig.next_gpa + 16ull * n >= SESSION_DATA)
		return false;
	if (table)
		pieces_add_table(ring, s->next_head[q], pieces, n);
	else
		pieces_add(ring, s->next_head[q], pieces, n);
	s->next_head[q] = (uint16_t)(s->next_head[q] + taken);
	return true;
}
