// SPDX-License-Identifier: GPL-2.0-only
#include "tests/payload/hostile.h"

#define TICK_MS      2u /* the sibling's period, on the command line */
#define SPANS        5u
#define SPAN_TICKS   10u
#define CONFIG_EVENT 8u
#define WAIT_TSC     5000000000u /* some seconds: the host may be busy */
#define TRIES_MIN    3u
#define TRIES        300u /* the best of them counts, so that a busy host is not taken for a slow device */
#define HEAL_MS      10u
#define ISR_USED     1u
#define ISR_CONFIG   2u
#define FIRST_NUMBER 1u

struct any any;
struct device sibling;
uint64_t ram_end;

static uint64_t tsc_per_ms, worst;
static uint32_t numbers = FIRST_NUMBER, last_tick;

static uint32_t ticks(void)
{
	return reg_read(&sibling, VIRTIO_MMIO_CONFIG + CONFIG_EVENT);
}

/* The sibling's timer goes on. */
static bool ticks_since(uint32_t before)
{
	for (uint64_t start = rdtsc(); rdtsc() - start < WAIT_TSC;)
		if (ticks() != before)
			return true;
	return false;
}

bool sibling_takes(void)
{
	return device_send(&sibling, numbers++);
}

/* The shortest of several spans counts: a busy host makes ticks late or leaves them out, never early for long. */
static void measure_clock(void)
{
	tsc_per_ms = UINT64_MAX;
	for (unsigned i = 0; i < SPANS; i++) {
		uint32_t first, n = 0;

		ticks_since(ticks());
		first = ticks();
		uint64_t start = rdtsc(), took;

		while (n < SPAN_TICKS && rdtsc() - start < WAIT_TSC)
			n = ticks() - first;
		took = (rdtsc() - start) / ((n ? n : 1) * TICK_MS);
		tsc_per_ms = took < tsc_per_ms ? took : tsc_per_ms;
	}
}

bool hostile_begin(void)
{
	bool found;

	move_in();
	found = any_find(&any, 0);
	for (unsigned i = 0; i < boot_params->e820_entries; i++)
		if (boot_params->e820_table[i].type == 1 && boot_params->e820_table[i].addr < UINT32_MAX)
			ram_end = boot_params->e820_table[i].addr + boot_params->e820_table[i].size;
	found = found && device_find(&sibling, 1) && device_up(&sibling);
	check(found, "a device and its sibling");
	if (!found)
		return false;
	print("# ");
	print(any_name(&any));
	print(", queues: ");
	print_number(any.n_queues);
	print("\n");
	check(any_up(&any) && any_serves(&any), "the device serves");
	interrupts_init();
	interrupts_enable(sibling.pin);
	measure_clock();
	last_tick = ticks();
	return true;
}

/* Halts until the sibling's next tick: whoever slept gets the host's processor at once, and for a while. */
static void rest(void)
{
	uint32_t before = interrupts_count(sibling.pin);

	reg_write(&sibling, VIRTIO_MMIO_INTERRUPT_ACK, ISR_CONFIG | ISR_USED);
	interrupts_wait(sibling.pin, before);
}

/* From reset to the first request that is served. */
static bool heals(void)
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < TRIES_MIN || (i < TRIES && best > HEAL_MS * tsc_per_ms); i++) {
		if (i >= TRIES_MIN)
			rest();
		uint64_t start = rdtsc();

		if (!any_up(&any) || !any_serves(&any))
			return false;
		uint64_t took = rdtsc() - start;

		best = took < best ? took : best;
	}
	worst = best > worst ? best : worst;
	return true;
}

/* Before the reset: only bits that the driver can have set, and NEEDS_RESET, which is told. */
static bool answer_is_legal(void)
{
	uint32_t status = any_read(&any, VIRTIO_MMIO_STATUS);

	if (status & ~(STATUS_LIVE | VIRTIO_CONFIG_S_FAILED | NEEDS_RESET))
		return false;
	return !(status & NEEDS_RESET) || !(status & VIRTIO_CONFIG_S_DRIVER_OK) ||
	       (any_read(&any, VIRTIO_MMIO_INTERRUPT_STATUS) & ISR_CONFIG);
}

void oracle_and(bool held, const char *name)
{
	bool legal = answer_is_legal(), healed = heals(), ticked = ticks_since(last_tick);
	bool sent = sibling_takes();

	last_tick = ticks();
	check(held && legal && healed && ticked && sent, name);
	if (!held)
		print("# the case itself\n");
	if (!legal)
		print("# status, or no interrupt\n");
	if (!healed)
		print("# it does not serve after a reset\n");
	if (!ticked || !sent)
		print("# the sibling\n");
}

void oracle(const char *name)
{
	oracle_and(true, name);
}

void hostile_end(void)
{
	print("# from reset to service, at worst: ");
	print_number(worst / tsc_per_ms);
	print(".");
	print_number(worst * 10 / tsc_per_ms % 10);
	print(" ms\n");
	check(worst < HEAL_MS * tsc_per_ms, "it serves within 10 ms of a reset");
	print("# the sibling was sent ");
	print_number(numbers - FIRST_NUMBER);
	print(" numbers\n");
}

bool is_judged(unsigned q, uint16_t head)
{
	any_add(&any, q, head);
	if (q == any.work)
		return any_answer(&any, q) != ANSWER_NONE;
	any_request(&any);
	any_add(&any, any.work, 0);
	return true;
}

bool is_refused(unsigned q, uint16_t head)
{
	any_add(&any, q, head);
	if (q == any.work)
		return any_answer(&any, q) == ANSWER_FAILED;
	any_request(&any);
	any_add(&any, any.work, 0);
	return true;
}

uint64_t random_next(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15u;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1du;
}

/* --- the second processor ----------------------------------------------------------------------------------------- */

static void (*volatile step)(void);
static volatile bool idle = true;

void race_second_cpu(void)
{
	void (*now)(void);

	while ((now = step))
		now();
	idle = true; /* and halts, until it is started anew */
}

void race_begin(void (*what)(void))
{
	step = what;
	idle = false;
	start_second_cpu();
}

void race_end(void)
{
	step = NULL;
	while (!idle)
		;
}

bool race_goes_on(uint32_t ms)
{
	static uint64_t end;
	uint64_t now = rdtsc();

	if (!end)
		end = now + ms * tsc_per_ms;
	if (now < end)
		return true;
	end = 0;
	return false;
}
