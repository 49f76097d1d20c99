// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtio-test device: a timer raises configuration changes, the driver answers each with a number, the device
 * prints it. There is no hardware behind it; it exists to be read, and to see a virtio device at work.
 */
#include <string.h>

#include "devices/virtio/virtio.h"

#define TEST_F_CAN_PRINT 0 /* feature bit: the print queue is usable */
#define TEST_QUEUE_PRINT 0 /* driver to device: any number of little-endian 32-bit numbers a buffer */
#define TEST_QUEUE_SIZE  128
#define TEST_LINES_MAX   1024 /* in one call; then others have their turn */
#define TEST_PRINT_MAX   256  /* numbers printed of one buffer; the rest are counted: the guest chooses its length */

struct test_config {
	struct le32 num_pages; /* what the host wants; the driver's writes are ignored */
	struct le32 actual;    /* what the driver says that it has */
	struct le32 event;     /* how many ticks there were */
};
_Static_assert(sizeof(struct test_config) == 12, "the driver knows this layout");

struct test {
	uint64_t delay, period; /* ns to the first tick, and between ticks */
	uint64_t num_pages;
	uint64_t ticks;       /* configuration changes announced so far */
	uint64_t numbers;     /* got from the driver */
	uint64_t stray_bytes; /* of buffers that do not end on a whole number */
};

static void test_tick(struct virtio_dev *dev)
{
	struct test *test = virtio_priv(dev);
	struct test_config *config = virtio_config(dev);

	if (!virtio_driver_ok(dev))
		return; /* nobody to tell: the tick does not count */
	virtio_print(dev, "set config: %llu", (unsigned long long)test->ticks);
	config->event = le32_from((uint32_t)++test->ticks);
	virtio_config_changed(dev);
}

/* Returns how many lines it printed. */
static uint64_t test_print_chain(struct virtio_dev *dev, struct virtio_chain *chain)
{
	struct test *test = virtio_priv(dev);
	uint64_t numbers = chain->readable_len / sizeof(struct le32);
	uint64_t shown = numbers < TEST_PRINT_MAX ? numbers : TEST_PRINT_MAX;
	struct le32 number;

	for (uint64_t i = 0; i < shown; i++) {
		chain_read(chain, &number, sizeof(number));
		virtio_print(dev, "get virtio num: %u", le32_get(number));
	}
	if (shown < numbers)
		virtio_print(dev, "%llu more numbers of this buffer are not shown",
			     (unsigned long long)(numbers - shown));
	test->numbers += numbers;
	test->stray_bytes += chain->readable_len % sizeof(struct le32);
	return shown + (shown < numbers);
}

static void test_kick(struct virtio_dev *dev, unsigned q)
{
	struct virtio_chain chain;
	uint64_t lines = 0;

	if (!virtio_has_feature(dev, TEST_F_CAN_PRINT)) {
		virtio_fail(dev,
			    "the print queue is used, but its feature CAN_PRINT is not negotiated (virtio 1.2, 2.2)");
		return;
	}
	while (lines < TEST_LINES_MAX && vq_pop(dev, q, &chain) > 0) {
		lines += test_print_chain(dev, &chain);
		vq_push(dev, q, &chain, 0);
	}
	if (lines >= TEST_LINES_MAX)
		vq_again(dev, q);
}

/* Takes what falls on the fields behind num_pages, which is the host's alone. */
static void test_config_write(struct virtio_dev *dev, size_t off, size_t len, const void *bytes)
{
	const size_t first = offsetof(struct test_config, actual);
	size_t skip = off < first ? first - off : 0;

	if (skip < len)
		memcpy((char *)virtio_config(dev) + off + skip, (const char *)bytes + skip, len - skip);
}

static void test_destroy(struct virtio_dev *dev)
{
	const struct test *test = virtio_priv(dev);

	if (test->stray_bytes)
		virtio_print(dev, "%llu bytes were no whole number", (unsigned long long)test->stray_bytes);
}

static int test_create(struct virtio_dev *dev)
{
	struct test *test = virtio_priv(dev);
	struct test_config *config = virtio_config(dev);

	config->num_pages = le32_from((uint32_t)test->num_pages);
	virtio_timer(dev, test->delay, test->period, test_tick);
	return 0;
}

#define FIELD(field) offsetof(struct test, field)
#define TIME_MIN     100000ull        /* 100 us */
#define TIME_MAX     3600000000000ull /* an hour */

static const struct option_desc test_options[] = {
	{ "delay", OPTION_DURATION, FIELD(delay), "1s", TIME_MIN, TIME_MAX, NULL, "time to the first tick" },
	{ "period", OPTION_DURATION, FIELD(period), "5s", TIME_MIN, TIME_MAX, NULL, "time between ticks" },
	{ "num-pages", OPTION_UINT, FIELD(num_pages), "0", 0, UINT32_MAX, NULL, "num_pages in configuration space" },
	{ .name = NULL },
};

static const struct counter_desc test_counters[] = {
	COUNTER("ticks", FIELD(ticks), "configuration changes announced to the driver"),
	COUNTER("numbers", FIELD(numbers), "numbers that the driver sent"),
	COUNTER("stray-bytes", FIELD(stray_bytes), "of buffers that do not end on a whole number"),
	{ .name = NULL },
};

static const struct state_desc test_state[] = { STATE(struct test, ticks), { .name = NULL } };

static const struct virtio_class test_class = {
	.name = "test",
	.help = "raises configuration changes by a timer and prints the numbers that the driver sends",
	.id = VIRTIO_ID_TEST,
	.n_queues = 1,
	.queue_size = TEST_QUEUE_SIZE,
	.config_size = sizeof(struct test_config),
	.features = 1u << TEST_F_CAN_PRINT,
	.priv_size = sizeof(struct test),
	.chains = 1,
	.options = test_options,
	.counters = test_counters,
	.state = test_state,
	.linux_module = "virtio_test",
	.create = test_create,
	.kick = test_kick,
	.config_write = test_config_write,
	.destroy = test_destroy,
};
VIRTIO_DEVICE(test_class);
