// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/driver.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "devices/virtio/mmio.h"
#include "tests/unit/echo.h"
#include "vmm/loop.h"

_Static_assert(DRIVER_RINGS == VIRTIO_QUEUES_MAX, "a ring for each queue");

#define TEXT_MAX (64u << 10)

/* Of the sanitizers, where there are any: their reports go to the real standard error. */
void __sanitizer_set_report_fd(void *fd) __attribute__((weak));

/* --- standard output and error ------------------------------------------------------------------------------------ */

/* cmocka prints its TAP lines after teardown, so a test may have both descriptors for itself. */
static int capture(int fd, const char *name, int *saved)
{
	int memory = memfd_create(name, MFD_CLOEXEC);

	fflush(NULL);
	*saved = dup(fd);
	dup2(memory, fd);
	return memory;
}

static void release(int fd, int memory, int saved)
{
	fflush(NULL);
	dup2(saved, fd);
	close(saved);
	close(memory);
}

static char *text_since(int memory)
{
	char *text = calloc(1, TEXT_MAX);
	ssize_t got = text ? pread(memory, text, TEXT_MAX - 1, 0) : -1;

	assert_true(got >= 0);
	assert_int_equal(ftruncate(memory, 0), 0);
	lseek(memory, 0, SEEK_SET); /* the writers' offset: the descriptors share it */
	return text;
}

char *rig_output(struct rig *rig)
{
	return text_since(rig->out_fd);
}

char *rig_errors(struct rig *rig)
{
	return text_since(rig->err_fd);
}

unsigned count_of(const char *text, const char *needle)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, needle)); at++)
		n++;
	return n;
}

/* --- the machine -------------------------------------------------------------------------------------------------- */

static int setup(void **state, uint64_t mem_size)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig->out_fd = capture(STDOUT_FILENO, "stdout", &rig->saved_out);
	rig->err_fd = capture(STDERR_FILENO, "stderr", &rig->saved_err);
	if (__sanitizer_set_report_fd)
		__sanitizer_set_report_fd((void *)(intptr_t)rig->saved_err);
	*state = rig;
	rig->config = (struct vm_config){ .cmdline = "console=ttyS0", .mem_size = mem_size, .cpus = 1 };
	rig->next_gpa = 1u << 20;
	if (vm_create(&rig->vm, &rig->config))
		return -1;
	if (driver_add(&rig->a, rig, "echo", NULL) || driver_add(&rig->b, rig, "echo", NULL) ||
	    !driver_up(&rig->b, F_VERSION_1)) {
		rig_teardown(state); /* or nobody would read that it failed */
		return -1;
	}
	return 0;
}

int rig_setup(void **state)
{
	return setup(state, RAM_SIZE);
}

int rig_setup_5gib(void **state)
{
	return setup(state, 5ull << 30); /* not touched, so not taken from the host */
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;

	if (rig->looping)
		rig_loop_stop(rig);
	vm_destroy(rig->vm);
	if (__sanitizer_set_report_fd)
		__sanitizer_set_report_fd((void *)(intptr_t)STDERR_FILENO);
	release(STDOUT_FILENO, rig->out_fd, rig->saved_out);
	release(STDERR_FILENO, rig->err_fd, rig->saved_err);
	free(rig);
	return 0;
}

static void *run_loop(void *loop)
{
	loop_run(loop);
	return NULL;
}

void rig_loop_start(struct rig *rig)
{
	assert_int_equal(pthread_create(&rig->loop_thread, NULL, run_loop, rig->vm->loop), 0);
	rig->looping = true;
}

void rig_loop_stop(struct rig *rig)
{
	loop_stop(rig->vm->loop);
	pthread_join(rig->loop_thread, NULL);
	rig->looping = false;
}

int driver_add(struct driver *driver, struct rig *rig, const char *name, const char *options)
{
	const struct virtio_class *class = virtio_class_find(name, strlen(name));
	int err = class ? virtio_create(&driver->dev, rig->vm, class, rig->n_devices++, options) : -1;

	if (!err)
		err = virtio_mmio_attach(rig->vm, driver->dev);
	if (err)
		return err;
	driver->rig = rig;
	driver->num = 8;
	for (unsigned i = 0; i < rig->vm->mmio.n_ranges; i++)
		if (rig->vm->mmio.ranges[i].name == driver->dev->name)
			driver->base = rig->vm->mmio.ranges[i].base;
	for (unsigned q = 0; q < DRIVER_RINGS; q++)
		driver->rings[q] = (struct ring){ .driver = driver, .q = q };
	return 0;
}

/* --- guest memory ------------------------------------------------------------------------------------------------- */

uint64_t gpa_alloc(struct rig *rig, uint64_t len, uint64_t align)
{
	uint64_t gpa = (rig->next_gpa + align - 1) & ~(align - 1);

	rig->next_gpa = gpa + len;
	gpa_ptr(rig, gpa, len);
	return gpa;
}

void *gpa_ptr(struct rig *rig, uint64_t gpa, uint64_t len)
{
	void *host = mem_ptr(&rig->vm->memory, gpa, len);

	assert_non_null(host);
	return host;
}

void put16(struct rig *rig, uint64_t gpa, uint16_t value)
{
	value = htole16(value);
	memcpy(gpa_ptr(rig, gpa, sizeof(value)), &value, sizeof(value));
}

void put32(struct rig *rig, uint64_t gpa, uint32_t value)
{
	value = htole32(value);
	memcpy(gpa_ptr(rig, gpa, sizeof(value)), &value, sizeof(value));
}

void put64(struct rig *rig, uint64_t gpa, uint64_t value)
{
	value = htole64(value);
	memcpy(gpa_ptr(rig, gpa, sizeof(value)), &value, sizeof(value));
}

uint16_t get16(struct rig *rig, uint64_t gpa)
{
	uint16_t value;

	memcpy(&value, gpa_ptr(rig, gpa, sizeof(value)), sizeof(value));
	return le16toh(value);
}

uint32_t get32(struct rig *rig, uint64_t gpa)
{
	uint32_t value;

	memcpy(&value, gpa_ptr(rig, gpa, sizeof(value)), sizeof(value));
	return le32toh(value);
}

/* --- registers ---------------------------------------------------------------------------------------------------- */

uint64_t window_get(struct driver *driver, uint64_t off, unsigned len)
{
	uint64_t value = 0;

	assert_non_null(bus_access(&driver->rig->vm->mmio, driver->base + off, len, 0, &value));
	return le64toh(value);
}

void window_put(struct driver *driver, uint64_t off, unsigned len, uint64_t value)
{
	value = htole64(value);
	assert_non_null(bus_access(&driver->rig->vm->mmio, driver->base + off, len, 1, &value));
}

uint32_t reg_get(struct driver *driver, uint32_t reg)
{
	return (uint32_t)window_get(driver, reg, 4);
}

void reg_put(struct driver *driver, uint32_t reg, uint32_t value)
{
	window_put(driver, reg, 4, value);
}

uint64_t edges(struct driver *driver)
{
	uint64_t count = 0;

	return read(driver->dev->irq->fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

/* --- bringing a device up ----------------------------------------------------------------------------------------- */

uint64_t offered_features(struct driver *driver)
{
	uint64_t features;

	reg_put(driver, R_DEVICE_FEATURES_SEL, 1);
	features = (uint64_t)reg_get(driver, R_DEVICE_FEATURES) << 32;
	reg_put(driver, R_DEVICE_FEATURES_SEL, 0);
	return features | reg_get(driver, R_DEVICE_FEATURES);
}

void write_features(struct driver *driver, uint64_t features)
{
	for (uint32_t word = 0; word < 2; word++) {
		reg_put(driver, R_DRIVER_FEATURES_SEL, word);
		reg_put(driver, R_DRIVER_FEATURES, (uint32_t)(features >> (32 * word)));
	}
}

bool driver_negotiate(struct driver *driver, uint64_t features)
{
	reg_put(driver, R_STATUS, 0);
	reg_put(driver, R_STATUS, S_ACKNOWLEDGE);
	reg_put(driver, R_STATUS, S_ACKNOWLEDGE | S_DRIVER);
	write_features(driver, features);
	reg_put(driver, R_STATUS, S_FEATURES_DONE);
	return reg_get(driver, R_STATUS) == S_FEATURES_DONE;
}

bool driver_up(struct driver *driver, uint64_t features)
{
	if (!driver_negotiate(driver, features))
		return false;
	for (unsigned q = 0; q < driver->dev->n_queues; q++) {
		ring_place(&driver->rings[q], driver->num);
		ring_program(&driver->rings[q]);
		ring_ready(&driver->rings[q], 1);
	}
	reg_put(driver, R_STATUS, S_UP);
	edges(driver);
	return reg_get(driver, R_STATUS) == S_UP;
}

void kick(struct driver *driver, uint32_t q)
{
	reg_put(driver, R_QUEUE_NOTIFY, q);
	/* where nobody runs the loop, a device whose kicks are its work is served here */
	while (driver->dev->class->on_loop && !driver->rig->looping && driver->dev->again_queues &&
	       loop_round(driver->rig->vm->loop, 0) > 0)
		;
}

/* --- rings -------------------------------------------------------------------------------------------------------- */

void ring_place(struct ring *ring, uint32_t num)
{
	struct rig *rig = ring->driver->rig;

	ring->num = num;
	ring->avail_idx = 0;
	ring->desc = gpa_alloc(rig, 16ull * num, 16);
	ring->avail = gpa_alloc(rig, 6 + 2ull * num, 2);
	ring->used = gpa_alloc(rig, 6 + 8ull * num, 4);
	memset(gpa_ptr(rig, ring->desc, 16ull * num), 0, 16ull * num);
	memset(gpa_ptr(rig, ring->avail, 6 + 2ull * num), 0, 6 + 2ull * num);
	memset(gpa_ptr(rig, ring->used, 6 + 8ull * num), 0, 6 + 8ull * num);
}

void ring_program(struct ring *ring)
{
	struct driver *driver = ring->driver;

	reg_put(driver, R_QUEUE_SEL, ring->q);
	reg_put(driver, R_QUEUE_NUM, ring->num);
	reg_put(driver, R_QUEUE_DESC_LOW, (uint32_t)ring->desc);
	reg_put(driver, R_QUEUE_DESC_HIGH, (uint32_t)(ring->desc >> 32));
	reg_put(driver, R_QUEUE_DRIVER_LOW, (uint32_t)ring->avail);
	reg_put(driver, R_QUEUE_DRIVER_HIGH, (uint32_t)(ring->avail >> 32));
	reg_put(driver, R_QUEUE_DEVICE_LOW, (uint32_t)ring->used);
	reg_put(driver, R_QUEUE_DEVICE_HIGH, (uint32_t)(ring->used >> 32));
}

void ring_ready(struct ring *ring, uint32_t value)
{
	reg_put(ring->driver, R_QUEUE_SEL, ring->q);
	reg_put(ring->driver, R_QUEUE_READY, value);
}

void put_desc(struct rig *rig, uint64_t table, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	uint64_t at = table + 16ull * i;

	put64(rig, at, addr);
	put32(rig, at + 8, len);
	put16(rig, at + 12, flags);
	put16(rig, at + 14, next);
}

void ring_desc(struct ring *ring, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	put_desc(ring->driver->rig, ring->desc, i, addr, len, flags, next);
}

void ring_add(struct ring *ring, uint16_t head)
{
	struct rig *rig = ring->driver->rig;
	uint16_t *idx = gpa_ptr(rig, ring->avail + 2, 2);

	put16(rig, ring->avail + 4 + 2ull * (ring->avail_idx % ring->num), head);
	/* pairs with the device's acquire of avail.idx, for the tests in which it runs at the same time */
	__atomic_store_n(idx, htole16(++ring->avail_idx), __ATOMIC_RELEASE);
}

void ring_set_avail_flags(struct ring *ring, uint16_t flags)
{
	put16(ring->driver->rig, ring->avail, flags);
}

void ring_set_used_event(struct ring *ring, uint16_t index)
{
	put16(ring->driver->rig, ring->avail + 4 + 2ull * ring->num, index);
}

uint16_t ring_avail_event(struct ring *ring)
{
	uint16_t *event = gpa_ptr(ring->driver->rig, ring->used + 4 + 8ull * ring->num, 2);

	return le16toh(__atomic_load_n(event, __ATOMIC_RELAXED));
}

uint16_t ring_used_flags(struct ring *ring)
{
	return get16(ring->driver->rig, ring->used);
}

uint16_t ring_used_idx(struct ring *ring)
{
	uint16_t *idx = gpa_ptr(ring->driver->rig, ring->used + 2, 2);

	return le16toh(__atomic_load_n(idx, __ATOMIC_ACQUIRE)); /* pairs with the device's release */
}

uint32_t ring_used_id(struct ring *ring, uint16_t at)
{
	return get32(ring->driver->rig, ring->used + 4 + 8ull * (at % ring->num));
}

uint32_t ring_used_len(struct ring *ring, uint16_t at)
{
	return get32(ring->driver->rig, ring->used + 8 + 8ull * (at % ring->num));
}
