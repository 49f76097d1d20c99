// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers that write anything to registers and memory while the device works on it (h4, h12, h13, h14).
 *
 * That the bytes of a ring change under the device is what such a guest does, and the device copies each before it
 * looks (walk.c): the sanitizer, which knows bytes by their address, is not to report that. So they are written through
 * other mappings of the same memory, each vCPU its own; and the device has a memory of its own, as two devices that are
 * told to work on the same bytes race, too. What two threads of minivmm do to each other is seen all the same.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/stress/stress.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"

#define WILD_SIZE  (1u << 20) /* of memory */
#define WILD_NUM   16u        /* entries of its rings */
#define WILD_QUEUE 4096u      /* a queue's part of it: table, avail, used at */
#define WILD_AVAIL 1024u
#define WILD_USED  2048u
#define WILD_DATA  (64u << 10) /* from here on */

/* No disk with threads of its own: two of its requests may be for the same bytes. */
static const char *const classes[WILD_MAX][2] = { { "echo", "notify=ioeventfd" },
						  { "blk", "path=" },
						  { "rng", "rate=1M,notify=ioeventfd" },
						  { "test", "delay=1ms,period=1ms" },
						  { "vsock", "notify=ioeventfd,socket=" } };

static uint8_t *map(int fd, void *where)
{
	void *mapping = mmap(where, WILD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | (where ? MAP_FIXED : 0), fd, 0);

	if (mapping == MAP_FAILED)
		give_up("wild memory: %s", strerror(errno));
	return mapping;
}

void wild_open(struct wild *wild, struct rig *rig, unsigned i, const struct host *host)
{
	const char *name = classes[i][0];
	int fd = memfd_create("wild", MFD_CLOEXEC);
	char options[128];

	snprintf(options, sizeof(options), "%s%s%s", classes[i][1],
		 strcmp(name, "blk") == 0   ? host->images[2] :
		 strcmp(name, "vsock") == 0 ? host->vsock :
					      "",
		 strcmp(name, "vsock") == 0 ? ".wild" : "");
	if (fd < 0 || ftruncate(fd, WILD_SIZE) < 0 || memory_init(&wild->memory, WILD_SIZE, RAM_SIZE, RAM_SIZE))
		give_up("wild memory: %s", strerror(errno));
	if (driver_add(&wild->d, rig, name, options))
		give_up("a wild %s: %s", name, options);
	map(fd, wild->memory.mapping);
	for (unsigned cpu = 0; cpu < VCPUS; cpu++)
		wild->alias[cpu] = map(fd, NULL);
	for (unsigned q = 0; q < wild->d.dev->n_queues; q++)
		wild->d.dev->queues[q].owner.memory = &wild->memory;
	close(fd);
}

/* After its device is destroyed. */
void wild_close(struct wild *wild)
{
	memory_release(&wild->memory);
	for (unsigned cpu = 0; cpu < VCPUS; cpu++)
		munmap(wild->alias[cpu], WILD_SIZE);
}

static uint32_t choose(uint64_t *seed, uint32_t n)
{
	return (uint32_t)(random_next(seed) % n);
}

static uint64_t any_gpa(const struct wild *wild, uint64_t *seed)
{
	switch (choose(seed, 16)) {
	case 0: return WILD_SIZE - choose(seed, 8);
	case 1: return wild->d.base;
	case 2: return UINT64_MAX - choose(seed, 64);
	case 3: return choose(seed, WILD_DATA); /* over its rings */
	default: return WILD_DATA + choose(seed, WILD_SIZE - WILD_DATA);
	}
}

static uint32_t any_len(uint64_t *seed)
{
	static const uint32_t lens[] = { 0, 1, 16, 20, 512, 2048, 4096, 65536 };

	return lens[choose(seed, 8)];
}

/* A word of the tables; and now and then a disk's request. */
static void flip(const struct wild *wild, uint8_t *memory, uint64_t *seed)
{
	uint8_t *queue = memory + choose(seed, wild->d.dev->n_queues) * WILD_QUEUE;
	uint8_t *desc = queue + 16 * choose(seed, WILD_NUM);
	uint64_t addr = htole64(any_gpa(wild, seed));
	uint32_t len = htole32(any_len(seed));
	uint16_t flags = htole16((uint16_t)(choose(seed, 8) ? choose(seed, 4) : choose(seed, 8)));
	uint16_t next = htole16((uint16_t)choose(seed, WILD_NUM + 1));

	switch (choose(seed, 8)) {
	case 0: memcpy(desc, &addr, sizeof(addr)); break;
	case 1: memcpy(desc + 8, &len, sizeof(len)); break;
	case 2: memcpy(desc + 12, &flags, sizeof(flags)); break;
	case 3: memcpy(desc + 14, &next, sizeof(next)); break;
	case 4: memcpy(queue + WILD_AVAIL + 4 + 2 * choose(seed, WILD_NUM), &next, sizeof(next)); break;
	case 5: memcpy(queue + WILD_AVAIL + choose(seed, 8) / 7, &flags, 1); break; /* flags, seldom half of idx */
	default: __atomic_fetch_add((uint16_t *)(void *)(queue + WILD_AVAIL + 2), 1, __ATOMIC_RELAXED);
	}
	if (choose(seed, 4) == 0) {
		uint64_t header[2] = { htole64(choose(seed, 14)), htole64(choose(seed, 2048)) };

		memcpy(memory + WILD_DATA + 16 * choose(seed, 1024), header, sizeof(header));
	}
}

/* Requests that are in order, for a disk too: to be spoilt. */
static void lay_out(uint8_t *queue, uint64_t *seed)
{
	static const uint32_t lens[] = { 16, 512, 1 };
	static const uint16_t flags[] = { D_NEXT, D_NEXT | D_WRITE, D_WRITE };

	memset(queue, 0, WILD_QUEUE);
	for (unsigned i = 0; i < WILD_NUM - 1; i++) {
		uint64_t addr = htole64(WILD_DATA + 16 * (uint64_t)choose(seed, 1024));
		uint32_t len = htole32(lens[i % 3]);
		uint16_t rest[2] = { htole16(flags[i % 3]), htole16((uint16_t)(i + 1)) };
		uint16_t head = htole16((uint16_t)(i % 5 * 3));

		memcpy(queue + 16 * i, &addr, sizeof(addr));
		memcpy(queue + 16 * i + 8, &len, sizeof(len));
		memcpy(queue + 16 * i + 12, rest, sizeof(rest));
		memcpy(queue + WILD_AVAIL + 4 + 2 * i, &head, sizeof(head));
	}
}

static void set_up(struct wild *wild, uint8_t *memory, uint64_t *seed)
{
	struct driver *d = &wild->d;

	driver_negotiate(d, offered_features(d));
	for (unsigned q = 0; q < d->dev->n_queues; q++) {
		lay_out(memory + q * WILD_QUEUE, seed);
		uint64_t gpa = q * WILD_QUEUE;
		struct ring ring = { .driver = d,
				     .q = q,
				     .num = choose(seed, 64) ? WILD_NUM : choose(seed, 70000),
				     .desc = gpa,
				     .avail = gpa + WILD_AVAIL,
				     .used = choose(seed, 64) ? gpa + WILD_USED : any_gpa(wild, seed) };

		ring_program(&ring);
		ring_ready(&ring, 1);
	}
	reg_put(d, R_STATUS, S_UP);
}

void wild_step(struct wild *wild, unsigned cpu, uint64_t *seed)
{
	static const uint32_t regs[] = {
		R_DEVICE_FEATURES_SEL, R_DRIVER_FEATURES, R_DRIVER_FEATURES_SEL, R_QUEUE_SEL,
		R_QUEUE_NUM,           R_QUEUE_READY,     R_INTERRUPT_ACK,       R_STATUS,
		R_QUEUE_RESET,         R_CONFIG,          R_CONFIG + 4,          R_CONFIG + 16
	};
	uint32_t reg = regs[choose(seed, sizeof(regs) / sizeof(regs[0]))];
	unsigned n = wild->d.dev->n_queues;
	uint8_t *memory = wild->alias[cpu];

	for (unsigned i = choose(seed, 6); i; i--)
		flip(wild, memory, seed);
	switch (choose(seed, 32)) {
	case 0:
	case 1: set_up(wild, memory, seed); break;
	case 2: reg_put(&wild->d, R_STATUS, 0); break;
	case 3: reg_put(&wild->d, reg, choose(seed, 32)); break;
	case 4: reg_put(&wild->d, reg, (uint32_t)random_next(seed)); break;
	case 5: edges(&wild->d); break;
	default:
		give_kick(&wild->d, choose(seed, n));
		if (reg_get(&wild->d, R_STATUS) & S_NEEDS_RESET)
			set_up(wild, memory, seed);
	}
}
