// SPDX-License-Identifier: GPL-2.0-only
/* Numbers and times as users write them, files that are replaced in one step, and the map of a bus. */
#include "vmm/number.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/json.h"
#include "tests/unit/support.h"
#include "vmm/file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static void numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = { { "0", 0 },
		     { "7", 7 },
		     { "0x0", 0 },
		     { "0x1f", 31 },
		     { "0xABcd", 0xabcd },
		     { "010", 10 },
		     { "18446744073709551615", UINT64_MAX },
		     { "0xffffffffffffffff", UINT64_MAX } };
	static const char *const bad[] = { "",
					   " ",
					   "-1",
					   "+1",
					   " 1",
					   "1 ",
					   "1k",
					   "0x",
					   "0x ",
					   "0x-1",
					   "0x+1",
					   "0xg",
					   "x10",
					   "1.5",
					   "1e3",
					   "0x1 ",
					   "ten",
					   "0x0x1",
					   "0X0x1",
					   "0x0X1",
					   "1\n2",
					   "- 1",
					   "0b1",
					   "18446744073709551616",
					   "0x10000000000000000" };
	uint64_t value;

	(void)state;
	for (unsigned i = 0; i < COUNT(good); i++) {
		value = 99;
		if (!number_parse(good[i].text, 0, UINT64_MAX, &value) || value != good[i].value)
			test_fail("'%s' is %llu", good[i].text, (unsigned long long)value);
	}
	for (unsigned i = 0; i < COUNT(bad); i++) {
		value = 99;
		if (number_parse(bad[i], 0, UINT64_MAX, &value) || value != 99)
			test_fail("'%s' is taken as %llu", bad[i], (unsigned long long)value);
	}
	assert_true(number_parse("5", 5, 9, &value));
	assert_true(number_parse("9", 5, 9, &value));
	assert_false(number_parse("4", 5, 9, &value));
	assert_false(number_parse("10", 5, 9, &value));
	assert_false(number_parse("0xa", 5, 9, &value));
	assert_int_equal(value, 9);
}

static void digits(void **state)
{
	uint64_t value = 99;
	char *end;

	(void)state;
	assert_true(number_digits("12ab", &end, &value));
	assert_int_equal(value, 12);
	assert_string_equal(end, "ab");
	assert_true(number_digits("18446744073709551615,", &end, &value));
	assert_true(value == UINT64_MAX && *end == ',');
	assert_false(number_digits("18446744073709551616", &end, &value));
	assert_false(number_digits("-1", &end, &value));
	assert_false(number_digits(" 1", &end, &value));
	assert_false(number_digits("", &end, &value));
	errno = ERANGE; /* of somebody before */
	assert_true(number_digits("1", &end, &value));
	errno = ERANGE;
	assert_true(number_parse("0x1", 0, 1, &value));
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = { { "0s", 0 },
		     { "1ns", 1 },
		     { "250us", 250000 },
		     { "10ms", 10000000 },
		     { "5s", 5000000000 },
		     { "1m", 60000000000 },
		     { "18446744073709551615ns", UINT64_MAX },
		     { "18446744073s", 18446744073000000000u } };
	static const char *const bad[] = { "",
					   "s",
					   "5",
					   "5h",
					   "5 s",
					   " 5s",
					   "-5s",
					   "5sec",
					   "5S",
					   "1.5s",
					   "5mss",
					   "5ms ",
					   "0x5s",
					   "5s5s",
					   "18446744074s",
					   "307445735m",
					   "18446744073709551616ns" };
	uint64_t ns;

	(void)state;
	for (unsigned i = 0; i < COUNT(good); i++)
		if (!number_duration(good[i].text, &ns) || ns != good[i].ns)
			test_fail("'%s' is %llu", good[i].text, (unsigned long long)ns);
	for (unsigned i = 0; i < COUNT(bad); i++)
		if (number_duration(bad[i], &ns))
			test_fail("'%s' is taken as %llu", bad[i], (unsigned long long)ns);
}

/* --- files that are replaced -------------------------------------------------------------------------------------- */

static void file_is(const char *name, const char *want)
{
	char *text = scratch_read(scratch_path(name), NULL);

	assert_string_equal(text, want);
	free(text);
}

static int files_below(const char *name)
{
	char command[300];
	FILE *out;
	int n = 0;

	snprintf(command, sizeof(command), "ls -A %s", scratch_path(name));
	out = popen(command, "r");
	for (int c; (c = fgetc(out)) != EOF;)
		n += c == '\n';
	pclose(out);
	return n;
}

static void replaced_in_one_step(void **state)
{
	struct stat before, after;
	char old[10];

	(void)state;
	assert_int_equal(mkdir(scratch_path("one"), 0755), 0);
	assert_int_equal(file_replace(scratch_path("one/file"), "first", 5), 0);
	file_is("one/file", "first");
	assert_int_equal(chmod(scratch_path("one/file"), 0640), 0);
	int fd = open(scratch_path("one/file"), O_RDONLY);

	assert_int_equal(fstat(fd, &before), 0);
	assert_int_equal(file_replace(scratch_path("one/file"), "the second", 10), 0);
	assert_int_equal(file_replace(scratch_path("one/file"), "third", 5), 0);
	file_is("one/file", "third");
	/* who had it open reads what it was */
	assert_int_equal(read(fd, old, sizeof(old)), 5);
	assert_memory_equal(old, "first", 5);
	close(fd);
	assert_int_equal(stat(scratch_path("one/file"), &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(file_replace(scratch_path("one/file"), "", 0), 0);
	file_is("one/file", "");
	assert_int_equal(files_below("one"), 1);
	unlink(scratch_path("one/file"));
}

static void full_disk_keeps_the_old(void **state)
{
	char *big = calloc(1, 100000);

	(void)state;
	assert_int_equal(mkdir(scratch_path("full"), 0755), 0);
	assert_int_equal(file_replace(scratch_path("full/file"), "old", 3), 0);
	limit_files(50000);
	int err = file_replace(scratch_path("full/file"), big, 100000);
	int err_of_new = file_replace(scratch_path("full/other"), big, 100000);

	limit_files(RLIM_INFINITY);
	assert_int_equal(err, -EFBIG);
	assert_int_equal(err_of_new, -EFBIG);
	file_is("full/file", "old");
	assert_int_equal(files_below("full"), 1);
	unlink(scratch_path("full/file"));
	free(big);
}

/* A link stays one, and what it leads to, in steps or at once, is replaced. */
static void through_links(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(mkdir(scratch_path("links"), 0755), 0);
	assert_int_equal(mkdir(scratch_path("far"), 0755), 0);
	assert_int_equal(symlink("../far/file", scratch_path("links/b")), 0);
	assert_int_equal(symlink("b", scratch_path("links/a")), 0);
	assert_int_equal(file_replace(scratch_path("far/file"), "old", 3), 0);
	assert_int_equal(file_replace(scratch_path("links/a"), "new", 3), 0);
	assert_true(lstat(scratch_path("links/a"), &st) == 0 && S_ISLNK(st.st_mode));
	assert_true(lstat(scratch_path("links/b"), &st) == 0 && S_ISLNK(st.st_mode));
	file_is("far/file", "new");
	assert_int_equal(files_below("links"), 2);
	assert_int_equal(files_below("far"), 1);
	unlink(scratch_path("links/a"));
	unlink(scratch_path("links/b"));
	unlink(scratch_path("far/file"));
}

static void no_plain_files(void **state)
{
	struct temp_file file;
	char got[8] = "";
	int fds[2];

	(void)state;
	assert_int_equal(file_replace("/dev/null", "x", 1), 0);
	assert_int_equal(access("/dev/null", W_OK), 0);
	assert_int_equal(file_replace("/dev/full", "x", 1), -ENOSPC);
	assert_int_equal(file_replace("/proc", "x", 1), -EISDIR);
	assert_int_equal(file_replace(scratch_path("no/such"), "x", 1), -ENOENT);
	assert_int_equal(pipe(fds), 0);
	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", fds[1]);
	assert_int_equal(file_replace(file.path, "piped", 5), 0);
	assert_int_equal(read(fds[0], got, sizeof(got)), 5);
	assert_string_equal(got, "piped");
	close(fds[0]);
	close(fds[1]);
}

/* --- the map of a bus --------------------------------------------------------------------------------------------- */

static void the_map(void **state)
{
	struct rig *rig = *state;
	unsigned long long base = rig->a.base;
	char *text = NULL, line[100];
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct bus bus = { .name = "pio", .is_pio = true };
	static const struct bus_ops ops = { .read = NULL };

	assert_int_equal(bus_add(&bus, &(struct bus_range){ .base = 0x60, .len = 2, .name = "silent", .ops = &ops }),
			 0);
	bus_print(&bus, out);
	fflush(out);
	assert_string_equal(text, "pio 0x60+0x2 silent\n");
	bus_print(&rig->vm->mmio, out);
	fclose(out);
	snprintf(line, sizeof(line), "\nmmio 0x%llx+0x", base);
	assert_int_equal(count_of(text, line), 1);
	snprintf(line, sizeof(line), "\nmmio 0x%llx echo0 MagicValue\n", base);
	assert_int_equal(count_of(text, line), 1);
	snprintf(line, sizeof(line), "\nmmio 0x%llx echo0 QueueNotify\n", base + R_QUEUE_NOTIFY);
	assert_int_equal(count_of(text, line), 1);
	snprintf(line, sizeof(line), "\nmmio 0x%llx echo1 ConfigGeneration\n",
		 (unsigned long long)rig->b.base + R_CONFIG_GENERATION);
	assert_int_equal(count_of(text, line), 1);
	snprintf(line, sizeof(line), "\nmmio 0x%llx echo0 Config\n", base + R_CONFIG);
	assert_int_equal(count_of(text, line), 1);
	assert_int_equal(count_of(text, " echo0 Config\n"), 1); /* one register, not one a byte */
	assert_int_equal(count_of(text, " echo0 "), 30);        /* virtio 1.2, table 4.1 */
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(digits),
		cmocka_unit_test(durations),
		cmocka_unit_test(replaced_in_one_step),
		cmocka_unit_test(full_disk_keeps_the_old),
		cmocka_unit_test(through_links),
		cmocka_unit_test(no_plain_files),
		RIG_TEST(the_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
