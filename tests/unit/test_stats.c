// SPDX-License-Identifier: GPL-2.0-only
/* Counts and times of exits: none is lost, no time is much off, and the table and the JSON say the same. */
#include "tests/unit/json.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/support.h"
#include "vmm/trace/stats_show.h"

#define THREADS 4
#define EACH    50000
#define KEYS    40

static const char mmio_write[] = "mmio write", mmio_read[] = "mmio read", shutdown[] = "shutdown";

static const char *reg_name(uint64_t off)
{
	static const char *const names[] = { "Zero", "Eight", "ARegisterWithAVeryLongNameIndeed", "Bell" };

	return off % 8 == 0 && off / 8 < 4 ? names[off / 8] : NULL;
}

static const struct bus_ops ops = { .reg_name = reg_name, .doorbell = 24 };
static const struct bus_range short_range = { .base = 0x1000, .len = 0x1000, .name = "dev0", .ops = &ops };
static const struct bus_range long_range = {
	.base = 0x2000, .len = 0x1000, .name = "averylongdevicename1234", .ops = &ops
};

static void count(struct stats *stats, const char *reason, const struct bus_range *range, uint64_t addr, uint64_t ns)
{
	stats_count(stats, &(struct stats_key){ reason, range, addr }, ns);
}

static const struct stats_row *only_row(const struct stats *stats)
{
	const struct stats_row *found = NULL;

	for (unsigned i = 0; i < STATS_ROWS; i++)
		if (stats->rows[i].count) {
			assert_null(found);
			found = &stats->rows[i];
		}
	assert_non_null(found);
	return found;
}

/* --- times -------------------------------------------------------------------------------------------------------- */

/* Which bucket a time falls into, and that it is one. */
static unsigned bucket(uint64_t ns)
{
	struct stats *stats = stats_create();
	unsigned found = STATS_BUCKETS;

	count(stats, shutdown, NULL, 0, ns);
	const struct stats_row *row = only_row(stats);

	for (unsigned i = 0; i < STATS_BUCKETS; i++)
		if (row->buckets[i]) {
			assert_true(found == STATS_BUCKETS && row->buckets[i] == 1);
			found = i;
		}
	assert_true(found < STATS_BUCKETS && row->ns == ns && row->max == ns);
	stats_destroy(stats);
	return found;
}

static void a_bucket(uint64_t ns)
{
	unsigned i = bucket(ns);
	uint64_t below = i ? stats_bucket_ns(i - 1) : 0, above = stats_bucket_ns(i);

	if (ns >> STATS_NS_BITS) {
		assert_int_equal(i, STATS_BUCKETS - 1);
		return;
	}
	if (ns > above || (i && ns <= below))
		test_fail("%llu ns is in bucket %u, %llu to %llu", (unsigned long long)ns, i, (unsigned long long)below,
			  (unsigned long long)above);
	assert_true((above - ns) * 16 <= ns);
}

static void buckets_are_narrow(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned i = 1; i < STATS_BUCKETS; i++)
		assert_true(stats_bucket_ns(i) > stats_bucket_ns(i - 1));
	assert_int_equal(stats_bucket_ns(STATS_BUCKETS - 1), (1ull << STATS_NS_BITS) - 1);
	for (uint64_t ns = 0; ns < 300; ns++)
		a_bucket(ns);
	for (unsigned bits = 8; bits < 64; bits++) {
		a_bucket((1ull << bits) - 1);
		a_bucket(1ull << bits);
		a_bucket((1ull << bits) + 1);
		a_bucket(random_next(&seed) >> (64 - bits));
	}
	a_bucket(UINT64_MAX);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Against the times themselves, sorted: never below, and at most a 16th above. */
static void percentiles_against_sorted_times(void **state)
{
	static uint64_t times[3000];
	uint64_t seed = 99;

	(void)state;
	for (unsigned run = 0; run < 40; run++) {
		struct stats *stats = stats_create();
		unsigned n = run < 10 ? run + 1 : 1 + (unsigned)(random_next(&seed) >> 32) % 3000;
		unsigned bits = 3 + (unsigned)(random_next(&seed) >> 32) % 32;

		for (unsigned i = 0; i < n; i++) {
			times[i] = (random_next(&seed) >> 20) % (1ull << bits);
			count(stats, shutdown, NULL, 0, times[i]);
		}
		qsort(times, n, sizeof(times[0]), by_value);
		const struct stats_row *row = only_row(stats);

		for (unsigned percent = 1; percent <= 100; percent++) {
			uint64_t got = stats_percentile(row, percent);
			uint64_t right = times[(n * percent + 99) / 100 - 1];

			if (got < right || (got - right) * 16 > right)
				test_fail("p%u of %u times is %llu instead of %llu", percent, n,
					  (unsigned long long)got, (unsigned long long)right);
		}
		assert_int_equal(stats_percentile(row, 100), times[n - 1]);
		assert_int_equal(row->max, times[n - 1]);
		stats_destroy(stats);
	}
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

struct counter {
	struct stats *stats;
	pthread_t thread;
};

static void *count_many(void *arg)
{
	struct counter *c = arg;

	for (unsigned i = 0; i < EACH; i++)
		count(c->stats, i & 1 ? mmio_write : mmio_read, &short_range, 0x1000 + i % KEYS, 3);
	return NULL;
}

static void threads_lose_no_count(void **state)
{
	struct stats *stats = stats_create(), *sum = stats_create();
	struct counter counters[THREADS];
	uint64_t ns = 0, last = 0;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		counters[i] = (struct counter){ .stats = stats };
		assert_int_equal(pthread_create(&counters[i].thread, NULL, count_many, &counters[i]), 0);
	}
	for (unsigned i = 0; i < 50; i++) { /* while they count: what is summed up never shrinks */
		struct stats *now = stats_create();

		stats_add(now, stats);
		assert_true(stats_sum(now) >= last && stats_sum(now) <= THREADS * EACH);
		last = stats_sum(now);
		stats_destroy(now);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(counters[i].thread, NULL);
	assert_int_equal(stats_sum(stats), THREADS * EACH);
	stats_add(sum, stats);
	stats_add(sum, stats);
	assert_int_equal(stats_sum(sum), 2 * THREADS * EACH);
	for (unsigned i = 0; i < STATS_ROWS; i++) {
		ns += sum->rows[i].ns;
		assert_int_equal(sum->rows[i].buckets[3], sum->rows[i].count);
		assert_true(sum->rows[i].count == 0 || sum->rows[i].count == 2 * THREADS * EACH / KEYS);
	}
	assert_int_equal(ns, 3 * stats_sum(sum));
	assert_int_equal(sum->others.count, 0);
	stats_destroy(stats);
	stats_destroy(sum);
}

/* What has no row of its own is in `others`, and what has one goes on there. */
static void more_keys_than_rows(void **state)
{
	struct stats *stats = stats_create(), *sum = stats_create();
	unsigned rows = 0;

	(void)state;
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < STATS_ROWS + 50; i++)
			count(stats, mmio_read, NULL, 0x1000 + 4 * i, 10);
	for (unsigned i = 0; i < STATS_ROWS; i++) {
		rows += stats->rows[i].count > 0;
		assert_int_equal(stats->rows[i].count, 3);
		assert_true(stats->rows[i].key.addr < 0x1000 + 4 * STATS_ROWS);
	}
	assert_int_equal(rows, STATS_ROWS);
	assert_int_equal(stats->others.count, 150);
	assert_int_equal(stats->others.ns, 1500);
	count(sum, shutdown, NULL, 0, 1); /* so that one more finds no row */
	stats_add(sum, stats);
	assert_int_equal(stats_sum(sum), 3 * STATS_ROWS + 150 + 1);
	assert_int_equal(sum->others.count, 153);
	stats_destroy(stats);
	stats_destroy(sum);
}

/* Reason, range and address each tell rows apart. */
static void keys(void **state)
{
	static const struct bus_range ranges[100]; /* so many that some meet in the table */
	struct stats *stats = stats_create();
	unsigned rows = 0;

	(void)state;
	count(stats, mmio_read, &short_range, 0x1000, 1);
	count(stats, mmio_write, &short_range, 0x1000, 1);
	count(stats, mmio_read, &short_range, 0x1004, 1);
	count(stats, mmio_read, &long_range, 0x1000, 1);
	count(stats, mmio_read, NULL, 0x1000, 1);
	count(stats, mmio_read, &short_range, 0x1000, 1);
	for (unsigned i = 0; i < STATS_ROWS; i++)
		rows += stats->rows[i].count > 0;
	assert_int_equal(rows, 5);
	for (unsigned i = 0; i < 100; i++)
		count(stats, mmio_read, &ranges[i], 0x3000, 1);
	for (unsigned i = rows = 0; i < STATS_ROWS; i++)
		rows += stats->rows[i].count > 0;
	assert_int_equal(rows, 105);
	stats_destroy(stats);
}

/* --- shown -------------------------------------------------------------------------------------------------------- */

static struct stats *some_stats(void)
{
	struct stats *stats = stats_create();

	for (unsigned i = 0; i < 700; i++)
		count(stats, mmio_write, &short_range, 0x1018, 2000 + i);
	for (unsigned i = 0; i < 50; i++)
		count(stats, mmio_read, &short_range, 0x1018, 1); /* no write: no eventfd takes it */
	for (unsigned i = 0; i < 40; i++)
		count(stats, mmio_write, &short_range, 0x1000, 1);
	for (unsigned i = 0; i < 30; i++)
		count(stats, mmio_write, &long_range, 0x2018, 1000000);
	for (unsigned i = 0; i < 20; i++)
		count(stats, mmio_write, &long_range, 0x2010, 12345678);
	count(stats, mmio_write, NULL, 0xfee00000, 3);
	count(stats, shutdown, NULL, 0, 70000000000);
	return stats;
}

static void json_adds_up(void **state)
{
	struct stats *stats = some_stats();
	struct stats_series *series = calloc(1, sizeof(*series));
	struct text out = { 0 };
	uint64_t sum = 0, last = UINT64_MAX, bell_ns = 30 * 1000000;
	double shares = 0;
	json_error_t error;
	json_t *row, *pair;
	size_t i, k;

	(void)state;
	for (unsigned n = 0; n < 700; n++)
		bell_ns += 2000 + n;
	series_add(series, stats, 123, true);
	stats_json(stats, stats_sum(stats), 1500000000, &(struct counts){ 0 }, series, &out);
	json_t *all = json_loadb(out.bytes, out.len, JSON_REJECT_DUPLICATES, &error);

	if (!all)
		test_fail("line %d: %s", error.line, error.text);
	assert_int_equal(json_int(all, "version"), 1);
	assert_int_equal(json_int(all, "exits"), 842);
	assert_true(json_real_value(json_object_get(all, "t")) == 1.5);
	assert_int_equal(json_int(json_object_get(all, "ioeventfd"), "exits"), 730);
	assert_int_equal(json_int(json_object_get(all, "ioeventfd"), "ns"), bell_ns);
	json_array_foreach(json_object_get(all, "rows"), i, row)
	{
		uint64_t in_histogram = 0, bound = 0;

		assert_true(json_int(row, "count") <= last);
		last = json_int(row, "count");
		sum += last;
		shares += json_real_value(json_object_get(row, "share"));
		assert_true(json_int(row, "p50") <= json_int(row, "p99"));
		assert_true(json_int(row, "p99") <= json_int(row, "max"));
		assert_true(json_int(row, "max") <= json_int(row, "ns"));
		json_array_foreach(json_object_get(row, "histogram"), k, pair)
		{
			uint64_t at = (uint64_t)json_integer_value(json_array_get(pair, 0));

			assert_true(k == 0 || at > bound);
			bound = at;
			in_histogram += (uint64_t)json_integer_value(json_array_get(pair, 1));
		}
		assert_int_equal(in_histogram, last);
	}
	assert_int_equal(i, 7);
	assert_int_equal(sum, 842);
	assert_true(shares > 0.9999 && shares < 1.0001);
	row = json_array_get(json_object_get(all, "rows"), 0);
	assert_string_equal(json_str(row, "reason"), "mmio write");
	assert_string_equal(json_str(row, "dev"), "dev0");
	assert_string_equal(json_str(row, "reg"), "Bell");
	assert_string_equal(json_str(row, "addr"), "0x1018");
	json_decref(all);
	text_free(&out);
	free(series);
	stats_destroy(stats);
}

/* Where each column of the first table ends, or begins, the same in each line: for names of any length. */
static void columns_line_up(void **state)
{
	struct stats *stats = some_stats();
	struct text out = { 0 };

	(void)state;
	stats_table(stats, 842, &out);
	char *text = strndup(out.bytes, out.len), *rest = text, *line = strsep(&rest, "\n");
	size_t width = strlen(line), device = (size_t)(strstr(line, "device") - line);
	size_t p50 = (size_t)(strstr(line, "p50") - line) + 3, reg = (size_t)(strstr(line, "register") - line);
	unsigned n = 0, named = 0;

	while ((line = strsep(&rest, "\n")) && *line) {
		n++;
		named += strstr(line, long_range.name) != NULL;
		/* a unit has two places, and "s" takes the first */
		if (strlen(line) != width || line[device - 1] != ' ' || line[device] == ' ' || line[reg - 1] != ' ' ||
		    line[p50] != ' ' || line[p50 - 2] == ' ')
			test_fail("this is not in its column: '%s'", line);
	}
	assert_int_equal(n, 7);
	assert_int_equal(named, 2);
	assert_non_null(strstr(rest, "842"));
	assert_non_null(strstr(rest, "notify=ioeventfd would save 730 exits, 86.7%"));
	assert_non_null(strstr(rest, "       791  93.9%  mmio write")); /* the sum by reason */
	free(text);
	text_free(&out);
	stats_destroy(stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_are_narrow),
		cmocka_unit_test(percentiles_against_sorted_times),
		cmocka_unit_test(threads_lose_no_count),
		cmocka_unit_test(more_keys_than_rows),
		cmocka_unit_test(keys),
		cmocka_unit_test(json_adds_up),
		cmocka_unit_test(columns_line_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
