/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plays the driver in plain memory: a machine without KVM, devices on its MMIO bus, and rings laid out in its RAM.
 *
 * Register offsets and bits are written here once more, from the standard and not from the code under test, so that a
 * number that is wrong there is found here.
 */
#ifndef TESTS_UNIT_DRIVER_H
#define TESTS_UNIT_DRIVER_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/items.h"
#include "vmm/vm.h"

#define BIT(n)   (1ull << (n))
#define RAM_SIZE (64ull << 20)

/* virtio 1.2, 4.2.2 */
enum reg {
	R_MAGIC = 0x000,
	R_VERSION = 0x004,
	R_DEVICE_ID = 0x008,
	R_VENDOR_ID = 0x00c,
	R_DEVICE_FEATURES = 0x010,
	R_DEVICE_FEATURES_SEL = 0x014,
	R_DRIVER_FEATURES = 0x020,
	R_DRIVER_FEATURES_SEL = 0x024,
	R_QUEUE_SEL = 0x030,
	R_QUEUE_NUM_MAX = 0x034,
	R_QUEUE_NUM = 0x038,
	R_QUEUE_READY = 0x044,
	R_QUEUE_NOTIFY = 0x050,
	R_INTERRUPT_STATUS = 0x060,
	R_INTERRUPT_ACK = 0x064,
	R_STATUS = 0x070,
	R_QUEUE_DESC_LOW = 0x080,
	R_QUEUE_DESC_HIGH = 0x084,
	R_QUEUE_DRIVER_LOW = 0x090,
	R_QUEUE_DRIVER_HIGH = 0x094,
	R_QUEUE_DEVICE_LOW = 0x0a0,
	R_QUEUE_DEVICE_HIGH = 0x0a4,
	R_SHM_SEL = 0x0ac,
	R_SHM_LEN_LOW = 0x0b0,
	R_SHM_LEN_HIGH = 0x0b4,
	R_SHM_BASE_LOW = 0x0b8,
	R_SHM_BASE_HIGH = 0x0bc,
	R_QUEUE_RESET = 0x0c0,
	R_CONFIG_GENERATION = 0x0fc,
	R_CONFIG = 0x100,
};

/* virtio 1.2, 2.1 */
#define S_ACKNOWLEDGE   1u
#define S_DRIVER        2u
#define S_DRIVER_OK     4u
#define S_FEATURES_OK   8u
#define S_NEEDS_RESET   64u
#define S_FAILED        128u
#define S_FEATURES_DONE (S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK)
#define S_UP            (S_FEATURES_DONE | S_DRIVER_OK)

#define ISR_USED   1u
#define ISR_CONFIG 2u

/* virtio 1.2, 6 */
#define F_INDIRECT   BIT(28)
#define F_EVENT_IDX  BIT(29)
#define F_VERSION_1  BIT(32)
#define F_SR_IOV     BIT(37)
#define F_RING_RESET BIT(40)

/* virtio 1.2, 2.7.5 */
#define D_NEXT     1u
#define D_WRITE    2u
#define D_INDIRECT 4u

struct rig;
struct driver;

/* A split ring as its driver keeps it. */
struct ring {
	struct driver *driver;
	unsigned q;
	uint32_t num;
	uint64_t desc, avail, used; /* gpa */
	uint16_t avail_idx;         /* next to add, free-running */
};

#define DRIVER_RINGS 18 /* as many queues as a device may have */

/* One device as its driver sees it. */
struct driver {
	struct rig *rig;
	struct virtio_dev *dev;
	uint64_t base; /* gpa of the registers */
	uint32_t num;  /* ring size for driver_up() */
	struct ring rings[DRIVER_RINGS];
};

/* A machine, and the standard output and error of the test between setup and teardown. */
struct rig {
	struct vm_config config;
	struct vm *vm;
	struct driver a, b; /* two echo devices (echo.h): the one under test and its sibling */
	uint64_t next_gpa;
	unsigned n_devices;
	int out_fd, err_fd, saved_out, saved_err;
	pthread_t loop_thread;
	bool looping;
};

/* cmocka's setup and teardown; *state is the struct rig. */
int rig_setup(void **state);
int rig_setup_5gib(void **state); /* RAM on both sides of the hole below 4 GiB */
int rig_teardown(void **state);
#define RIG_TEST(fn)      cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
#define RIG_TEST_5GIB(fn) cmocka_unit_test_setup_teardown(fn, rig_setup_5gib, rig_teardown)

/* A test of one of the numbered items of the standard: it has its number, rule and clause in its name. */
#define ITEM_TEST(n, fn, setup, teardown)                        \
	{                                                        \
		ITEM_##n ": " #fn, fn, (setup), (teardown), NULL \
	}
#define RIG_ITEM(n, fn)      ITEM_TEST(n, fn, rig_setup, rig_teardown)
#define RIG_ITEM_5GIB(n, fn) ITEM_TEST(n, fn, rig_setup_5gib, rig_teardown)

/* What was written since the last call, to be freed; at most 64 KiB. */
char *rig_output(struct rig *rig);
char *rig_errors(struct rig *rig);
unsigned count_of(const char *text, const char *needle);

/* The event loop in a thread of its own; once a rig, as a loop that was stopped stays so. */
void rig_loop_start(struct rig *rig);
void rig_loop_stop(struct rig *rig);

/* A device of a class on the MMIO bus; 0 or what the code said. */
int driver_add(struct driver *driver, struct rig *rig, const char *class, const char *options);

/* Guest memory: a bump allocator and stores. An address outside RAM ends the test. */
uint64_t gpa_alloc(struct rig *rig, uint64_t len, uint64_t align);
void *gpa_ptr(struct rig *rig, uint64_t gpa, uint64_t len);
void put16(struct rig *rig, uint64_t gpa, uint16_t value);
void put32(struct rig *rig, uint64_t gpa, uint32_t value);
void put64(struct rig *rig, uint64_t gpa, uint64_t value);
uint16_t get16(struct rig *rig, uint64_t gpa);
uint32_t get32(struct rig *rig, uint64_t gpa);

/* An access of a vCPU to the device's window. */
uint64_t window_get(struct driver *driver, uint64_t off, unsigned len);
void window_put(struct driver *driver, uint64_t off, unsigned len, uint64_t value);
uint32_t reg_get(struct driver *driver, uint32_t reg);
void reg_put(struct driver *driver, uint32_t reg, uint32_t value);

/* Interrupt edges since the last call. */
uint64_t edges(struct driver *driver);

/* --- what a driver does (virtio 1.2, 3.1.1) --- */

uint64_t offered_features(struct driver *driver);
void write_features(struct driver *driver, uint64_t features);
/* Reset to FEATURES_OK; true where the device kept that bit. */
bool driver_negotiate(struct driver *driver, uint64_t features);
/* From reset to DRIVER_OK, with fresh rings of driver->num entries; true where status says so. */
bool driver_up(struct driver *driver, uint64_t features);
void kick(struct driver *driver, uint32_t q);

/* --- rings --- */

void ring_place(struct ring *ring, uint32_t num); /* zeroed areas in fresh memory */
void ring_program(struct ring *ring);             /* into the registers, but QueueReady */
void ring_ready(struct ring *ring, uint32_t value);
void ring_desc(struct ring *ring, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);
/* A descriptor in a table anywhere, for indirect ones. */
void put_desc(struct rig *rig, uint64_t table, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);
void ring_add(struct ring *ring, uint16_t head); /* into avail, and avail.idx */
void ring_set_avail_flags(struct ring *ring, uint16_t flags);
void ring_set_used_event(struct ring *ring, uint16_t index);
uint16_t ring_avail_event(struct ring *ring);
uint16_t ring_used_flags(struct ring *ring);
uint16_t ring_used_idx(struct ring *ring);
uint32_t ring_used_id(struct ring *ring, uint16_t at);
uint32_t ring_used_len(struct ring *ring, uint16_t at);

#endif
