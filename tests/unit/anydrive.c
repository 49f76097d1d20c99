// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/anydrive.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/unit/echo.h"
#include "tests/unit/json.h"
#include "tests/unit/support.h"

#define SIBLING     "delay=1ms,period=1ms"
#define MULTIPORT   BIT(1)
#define HEAL_NS     10000000u
#define HEAL_TRIES  5u /* the best of them counts: under memcheck the other threads take their time too */
#define PATIENCE_NS 20000000000ull
#define NET_HEADER  12u
#define VSOCK_BYTES 44u
#define BLK_BYTES   512u
#define BLK_IMAGE   (1u << 20)
#define PAGE        4096u

enum { ID_NET = 1, ID_BLK = 2, ID_CONSOLE = 3, ID_RNG = 4, ID_BALLOON = 5, ID_VSOCK = 19 };

static const struct kind {
	const char *class, *options;
	unsigned work;
} kinds[] = {
	{ "test", "", 0 },    { "rng", "", 0 },
	{ "blk", "", 0 },     { "balloon", "free-page-hint=on,free-page-reporting=on,stats-interval=10ms", 0 },
	{ "console", "", 1 }, { "net", "", 1 },
	{ "vsock", "", 1 },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static uint64_t worst_ns; /* of processor time, from a reset to the first request that was served */

/* A test of one class and one kind of kick. */
struct variant {
	const struct any_test *test;
	const struct kind *kind;
	bool eventfd;
};

/* --- the machine -------------------------------------------------------------------------------------------------- */

static void options_of(struct anydrive *any, const struct kind *kind, char *text, size_t size)
{
	const char *path = scratch_path(kind->class);
	int pair[2];

	if (strcmp(kind->class, "blk") == 0) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		assert_true(fd >= 0 && ftruncate(fd, BLK_IMAGE) == 0);
		close(fd);
		snprintf(text, size, "path=%s", path);
	} else if (strcmp(kind->class, "net") == 0) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
		any->peer = pair[1];
		snprintf(text, size, "fd=%d", pair[0]);
	} else if (strcmp(kind->class, "vsock") == 0) {
		snprintf(text, size, "socket=%s", path);
	} else {
		snprintf(text, size, "%s", kind->options);
	}
}

static int setup(void **state)
{
	const struct variant *variant = *state;
	struct anydrive *any = calloc(1, sizeof(*any));
	char text[512];
	void *rig;

	signal(SIGPIPE, SIG_IGN); /* as minivmm does */
	if (!any || rig_setup(&rig))
		return -1;
	*any = (struct anydrive){
		.rig = rig, .test = variant->test, .eventfd = variant->eventfd, .work = variant->kind->work, .peer = -1
	};
	*state = any;
	options_of(any, variant->kind, text, sizeof(text));
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "%snotify=%s", *text ? "," : "",
		 any->eventfd ? "ioeventfd" : "exit");
	if (driver_add(&any->d, rig, variant->kind->class, text) || driver_add(&any->sibling, rig, "test", SIBLING))
		return -1;
	any->d.num = ANY_NUM;
	any->n_queues = any->d.dev->n_queues;
	any->features = offered_features(&any->d) & ~(F_INDIRECT | F_EVENT_IDX);
	if (reg_get(&any->d, R_DEVICE_ID) == ID_CONSOLE)
		any->features &= ~MULTIPORT;
	any->request = gpa_alloc(rig, PAGE, PAGE);
	any->scratch = gpa_alloc(rig, ANY_SCRATCH, PAGE);
	rig_loop_start(rig);
	return driver_up(&any->sibling, F_VERSION_1 | BIT(0)) ? 0 : -1;
}

static int teardown(void **state)
{
	struct anydrive *any = *state;
	void *rig = any->rig;

	rig_teardown(&rig);
	if (any->peer >= 0)
		close(any->peer);
	free(any);
	return 0;
}

static void run_variant(void **state)
{
	struct anydrive *any = *state;

	any->test->run(any);
}

int any_run_group(const char *group, const struct any_test *tests, unsigned n)
{
	unsigned n_all = n * N_KINDS * 2, at = 0;
	struct variant *variants = calloc(n_all, sizeof(*variants));
	struct CMUnitTest *all = calloc(n_all, sizeof(*all));
	char(*names)[160] = calloc(n_all, sizeof(*names));
	int failed = -1;

	if (!variants || !all || !names)
		goto out;
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < 2 * N_KINDS; k++, at++) {
			variants[at] = (struct variant){ &tests[i], &kinds[k / 2], k % 2 };
			snprintf(names[at], sizeof(names[at]), "%s (%s, %s)", tests[i].name, kinds[k / 2].class,
				 k % 2 ? "ioeventfd" : "exit");
			all[at] = (struct CMUnitTest){ names[at], run_variant, setup, teardown, &variants[at] };
		}
	}
	failed = _cmocka_run_group_tests(group, all, n_all, NULL, NULL);
	printf("# from reset to service, at worst: %llu us of processor time\n", (unsigned long long)worst_ns / 1000);
out:
	free(variants);
	free(all);
	free(names);
	return failed;
}

/* --- the driver --------------------------------------------------------------------------------------------------- */

void any_up(struct anydrive *any)
{
	assert_true(driver_up(&any->d, any->features));
	reg_put(&any->d, R_INTERRUPT_ACK, ISR_USED | ISR_CONFIG); /* a balloon may want hints at once */
	edges(&any->d);
}

void any_kick(struct anydrive *any, uint32_t q)
{
	const struct vm *vm = any->rig->vm;
	uint64_t one = 1;

	for (unsigned i = 0; any->eventfd && i < vm->n_ioeventfds; i++) {
		if (vm->ioeventfds[i].gpa != any->d.base + R_QUEUE_NOTIFY || vm->ioeventfds[i].datamatch != q)
			continue;
		assert_int_equal(write(vm->ioeventfds[i].fd, &one, sizeof(one)), sizeof(one));
		return;
	}
	kick(&any->d, q); /* KVM exits where no eventfd wants this number */
}

static void send_request(struct anydrive *any)
{
	any_request(any);
	ring_add(&any->d.rings[any->work], 0);
	any_kick(any, any->work);
}

/* A connection to a port where nobody listens: the answer is a reset (5.10.6). */
static void request_connection(struct rig *rig, uint64_t at)
{
	put64(rig, at, 3);      /* from the guest */
	put64(rig, at + 8, 2);  /* to the host */
	put32(rig, at + 16, 1); /* ports */
	put32(rig, at + 20, 2);
	put16(rig, at + 28, 1); /* a stream */
	put16(rig, at + 30, 1); /* REQUEST */
}

void any_request(struct anydrive *any)
{
	struct ring *ring = &any->d.rings[any->work];
	struct rig *rig = any->rig;
	uint64_t at = any->request, data = at + 64, status = data + BLK_BYTES;

	memset(gpa_ptr(rig, at, PAGE), 0, PAGE);
	switch (any->d.dev->class->id) {
	case ID_RNG: ring_desc(ring, 0, at, 16, D_WRITE, 0); break;
	case ID_BLK: /* a read of the first sector */
		ring_desc(ring, 0, at, 16, D_NEXT, 1);
		ring_desc(ring, 1, data, BLK_BYTES, D_NEXT | D_WRITE, 2);
		ring_desc(ring, 2, status, 1, D_WRITE, 0);
		*(uint8_t *)gpa_ptr(rig, status, 1) = NOT_WRITTEN;
		break;
	case ID_BALLOON:
		put32(rig, at, (uint32_t)(any->scratch / PAGE));
		ring_desc(ring, 0, at, 4, 0, 0);
		break;
	case ID_NET:
		memset(gpa_ptr(rig, at + NET_HEADER, 60), 0xff, 60);
		ring_desc(ring, 0, at, NET_HEADER + 60, 0, 0);
		break;
	case ID_VSOCK:
		request_connection(rig, at);
		ring_desc(ring, 0, at, VSOCK_BYTES, 0, 0);
		break;
	default: ring_desc(ring, 0, at, 4, 0, 0); /* a number, or text */
	}
}

void any_occasion(struct anydrive *any)
{
	uint8_t frame[1000] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (any->peer >= 0)
		(void)!send(any->peer, frame, sizeof(frame), MSG_DONTWAIT);
	if (any->d.dev->class->id == ID_VSOCK && reg_get(&any->d, R_STATUS) == S_UP)
		send_request(any);
}

enum any_answer any_answer(struct anydrive *any, unsigned q)
{
	struct ring *ring = &any->d.rings[q];

	for (uint64_t end = now_ns() + PATIENCE_NS; now_ns() < end;) {
		if (reg_get(&any->d, R_STATUS) & S_NEEDS_RESET)
			return ANY_FAILED;
		if (ring_used_idx(ring) == ring->avail_idx)
			return ANY_USED;
		nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
	}
	return ANY_NONE;
}

static void offer_chain(struct anydrive *any, unsigned q, uint16_t head)
{
	ring_add(&any->d.rings[q], head);
	any_kick(any, q);
	if (q != any->work)
		any_occasion(any);
}

void any_refused(struct anydrive *any, unsigned q, uint16_t head)
{
	offer_chain(any, q, head);
	if (q == any->work)
		assert_int_equal(any_answer(any, q), ANY_FAILED);
}

void any_judged(struct anydrive *any, unsigned q, uint16_t head)
{
	offer_chain(any, q, head);
	if (q == any->work)
		assert_int_not_equal(any_answer(any, q), ANY_NONE);
}

/* --- the oracle --------------------------------------------------------------------------------------------------- */

#define check(condition) _assert_true(condition, #condition, file, line)

static uint64_t process_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool serves(struct anydrive *any)
{
	struct ring *ring = &any->d.rings[any->work];
	uint64_t status = any->request + 64 + BLK_BYTES;

	send_request(any);
	if (any_answer(any, any->work) != ANY_USED)
		return false;
	uint32_t len = ring_used_len(ring, (uint16_t)(ring->avail_idx - 1));

	switch (any->d.dev->class->id) {
	case ID_RNG: return len > 0 && len <= 16;
	case ID_BLK: return len == BLK_BYTES + 1 && *(uint8_t *)gpa_ptr(any->rig, status, 1) == 0;
	default: return len == 0;
	}
}

/* The frames that a network device sent must not fill its link. */
static void drain(struct anydrive *any)
{
	uint8_t frame[70000];

	while (any->peer >= 0 && recv(any->peer, frame, sizeof(frame), MSG_DONTWAIT) > 0)
		;
}

static uint64_t sibling_ticks(struct anydrive *any)
{
	return device_count(&any->sibling, "ticks");
}

static void sibling_goes_on(struct anydrive *any, const char *file, int line)
{
	struct driver *sibling = &any->sibling;
	struct ring *ring = &sibling->rings[0];
	uint64_t numbers = device_count(sibling, "numbers");

	for (uint64_t end = now_ns() + PATIENCE_NS; sibling_ticks(any) == any->ticks && now_ns() < end;)
		nap_ms(1);
	check(sibling_ticks(any) > any->ticks);
	any->ticks = sibling_ticks(any);
	ring_desc(ring, 0, gpa_alloc(any->rig, 4, 4), 4, 0, 0);
	ring_add(ring, 0);
	kick(sibling, 0);
	check(ring_used_idx(ring) == ring->avail_idx);
	check(device_count(sibling, "numbers") == numbers + 1);
	reg_put(sibling, R_INTERRUPT_ACK, ISR_USED | ISR_CONFIG);
}

void any_oracle_(struct anydrive *any, const char *file, int line)
{
	uint64_t best = UINT64_MAX;
	uint32_t status = reg_get(&any->d, R_STATUS);

	check((status & ~(S_UP | S_NEEDS_RESET | S_FAILED)) == 0);
	if ((status & S_NEEDS_RESET) && (status & S_DRIVER_OK)) {
		check(reg_get(&any->d, R_INTERRUPT_STATUS) & ISR_CONFIG);
		check(any->raced || edges(&any->d) > 0);
	}
	check(reg_get(&any->rig->b, R_STATUS) == S_UP && echo_serves(&any->rig->b));
	sibling_goes_on(any, file, line);
	for (unsigned i = 0; i < HEAL_TRIES; i++) {
		drain(any);
		uint64_t start = process_cpu_ns();

		check(driver_up(&any->d, any->features));
		check(serves(any));
		start = process_cpu_ns() - start;
		best = start < best ? start : best;
	}
	check(best < HEAL_NS);
	worst_ns = best > worst_ns ? best : worst_ns;
}

/* --- races -------------------------------------------------------------------------------------------------------- */

static pthread_t racer;
static atomic_bool racing;
static atomic_uint steps;
static struct anydrive *racer_of;
static any_case *race_step;

static void *race(void *unused)
{
	(void)unused;
	for (; atomic_load(&racing); atomic_fetch_add(&steps, 1))
		race_step(racer_of);
	return NULL;
}

void any_race_begin(struct anydrive *any, any_case *step)
{
	any->raced = true;
	racer_of = any;
	race_step = step;
	atomic_store(&steps, 0);
	atomic_store(&racing, true);
	assert_int_equal(pthread_create(&racer, NULL, race, NULL), 0);
}

unsigned any_race_steps(void)
{
	return atomic_load(&steps);
}

void any_race_end(void)
{
	atomic_store(&racing, false);
	pthread_join(racer, NULL);
}
