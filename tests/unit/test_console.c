// SPDX-License-Identifier: GPL-2.0-only
/* The virtio console and its first port, the terminal. test_console_ports.c has the other
 * ports, test_console_hostile.c the drivers that keep no rule. */
#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/unit/support.h"
#include "tests/unit/virtcon.h"
#include "vmm/terminal.h"

#define MS 1000000ull

static struct virtcon con;

static void identity(void **state)
{
	uint16_t cols, rows;

	virtcon_add(&con, *state, NULL);
	terminal_size(&cols, &rows); /* whoever runs this test may have a terminal */
	assert_int_equal(reg_get(&con.d, R_DEVICE_ID), 3);
	assert_int_equal(offered_features(&con.d) & 0xffffff, F_SIZE | F_MULTIPORT | F_EMERG);
	assert_int_equal(window_get(&con.d, COLS, 2), cols);
	assert_int_equal(window_get(&con.d, ROWS, 2), rows);
	assert_int_equal(window_get(&con.d, MAX_PORTS, 4), 1);
	reg_put(&con.d, R_QUEUE_SEL, 3);
	assert_int_equal(reg_get(&con.d, R_QUEUE_NUM_MAX), 64);
	reg_put(&con.d, R_QUEUE_SEL, 4);
	assert_int_equal(reg_get(&con.d, R_QUEUE_NUM_MAX), 0);
	window_put(&con.d, COLS, 8, UINT64_MAX); /* a driver sets nothing here */
	assert_int_equal(window_get(&con.d, COLS, 2), cols);
	assert_int_equal(window_get(&con.d, MAX_PORTS, 4), 1);
}

static void only_one_has_the_terminal(void **state)
{
	struct rig *rig = *state;
	struct driver second;
	char *text;

	virtcon_add(&con, rig, NULL);
	free(rig_errors(rig));
	assert_int_not_equal(driver_add(&second, rig, "console", NULL), 0);
	text = rig_errors(rig);
	assert_one_message(text, "--device console: another device has the terminal");
	free(text);
	virtcon_up(&con, 0);
	post(&con, TX(0), 0, "still here", 10); /* the first keeps it */
	expect_shown(&con, "still here");
}

static void handshake(void **state)
{
	virtcon_add(&con, *state, NULL);
	virtcon_up(&con, F_MULTIPORT);
	give_control(&con, 8);
	assert_int_equal(used(&con, CONTROL_RX), 0); /* the driver speaks first */
	say(&con, 77, DEVICE_READY, 1);
	expect_control(&con, "0 ADD 1;");
	say(&con, 0, PORT_READY, 1);
	expect_control(&con, "0 CONSOLE 1;0 OPEN 1;");
	say(&con, 0, PORT_OPEN, 1);
	assert_int_equal(used(&con, CONTROL_RX), con.control_seen);
}

/* Messages wait for buffers, in their order; a buffer that is too small goes back empty. */
static void control_waits_for_buffers(void **state)
{
	virtcon_add(&con, *state, NULL);
	virtcon_up(&con, F_MULTIPORT);
	say(&con, 0, DEVICE_READY, 1);
	say(&con, 0, PORT_READY, 0); /* the driver could not do with it */
	say(&con, 0, PORT_READY, 1);
	give(&con, CONTROL_RX, 60, 7);
	assert_int_equal(used(&con, CONTROL_RX), 1);
	assert_int_equal(ring_used_len(&con.d.rings[CONTROL_RX], 0), 0);
	con.control_seen = 1;
	give_control(&con, 1);
	expect_control(&con, "0 CONSOLE 1;");
	give_control(&con, 1);
	expect_control(&con, "0 OPEN 1;");
	say(&con, 0, DEVICE_READY, 0); /* it gave up */
	give_control(&con, 1);
	assert_int_equal(used(&con, CONTROL_RX), con.control_seen);
}

static void output(void **state)
{
	struct rig *rig = *state;
	uint64_t gpa = gpa_alloc(rig, 12, 1);
	struct ring *ring = &con.d.rings[TX(0)];

	virtcon_add(&con, rig, NULL);
	for (unsigned multiport = 0; multiport < 2; multiport++) {
		virtcon_up(&con, multiport ? F_MULTIPORT : 0);
		post(&con, TX(0), 0, "hello\n", 6); /* no handshake is needed for that */
		assert_int_equal(used(&con, TX(0)), 1);
		assert_int_equal(ring_used_len(ring, 0), 0);
		memcpy(gpa_ptr(rig, gpa, 12), "hello, world", 12);
		ring_desc(ring, 1, gpa, 3, D_NEXT, 2);
		ring_desc(ring, 2, gpa + 3, 2, D_NEXT, 3);
		ring_desc(ring, 3, gpa + 5, 7, D_NEXT, 4);
		ring_desc(ring, 4, gpa, 12, D_WRITE, 0);
		ring_add(ring, 1);
		kick(&con.d, TX(0));
		assert_int_equal(used(&con, TX(0)), 2);
		assert_int_equal(ring_used_len(ring, 1), 0);
		expect_shown(&con, "hello\nhello, world");
		assert_int_equal(counted(&con, "tx-bytes"), 18 * (multiport + 1));
	}
}

static void device_lines_are_whole(void **state)
{
	struct rig *rig = *state;

	virtcon_add(&con, rig, NULL);
	virtcon_up(&con, 0);
	post(&con, TX(0), 0, "lo", 2);
	terminal_line(rig->vm->terminal, "virtio-test: line");
	post(&con, TX(0), 1, "ok\n", 3);
	expect_shown(&con, "look\nvirtio-test: line\n");
}

/* More than fits anywhere, and a reader that comes late: the driver gets its buffer back when all of it is taken. */
static void full_output(void **state)
{
	const uint32_t much = 300000;
	char *bytes = malloc(much);

	assert_non_null(bytes);
	for (uint32_t i = 0; i < much; i++)
		bytes[i] = (char)('!' + (i * 7 + i / 90) % 90);
	virtcon_add(&con, *state, NULL);
	virtcon_up(&con, 0);
	virtcon_run(&con);
	uint64_t begin = now_ns();

	post(&con, TX(0), 0, bytes, much);
	post(&con, TX(0), 1, "the end", 7);
	assert_true(now_ns() - begin < 1000 * MS); /* nobody waited */
	usleep(100000);
	assert_int_equal(used(&con, TX(0)), 0);
	console_expect(&con.pipes, bytes, much);
	console_expect(&con.pipes, "the end", 7);
	wait_until(used(&con, TX(0)) == 2);
	assert_int_equal(ring_used_id(&con.d.rings[TX(0)], 0), 0);
	assert_int_equal(counted(&con, "tx-bytes"), much + 7);
	virtcon_end(&con);
	free(bytes);
}

/* The reader is gone: the guest must not wait for ever. */
static void no_reader(void **state)
{
	char *bytes = calloc(1, 300000);

	virtcon_add(&con, *state, NULL);
	virtcon_up(&con, 0);
	virtcon_run(&con);
	post(&con, TX(0), 0, bytes, 300000);
	assert_int_equal(used(&con, TX(0)), 0);
	console_close_out(&con.pipes);
	wait_until(used(&con, TX(0)) == 1);
	virtcon_end(&con);
	free(bytes);
}

/* --- input -------------------------------------------------------------------------------------------------------- */

static void input_is_the_serial_ports_at_first(void **state)
{
	uint64_t gpa;
	char byte;

	virtcon_add(&con, *state, NULL);
	virtcon_run(&con);
	console_type(&con.pipes, "one", 3);
	expect_serial(&con, "one");
	virtcon_up(&con, F_MULTIPORT);
	gpa = give(&con, RX(0), 0, 16); /* Linux would throw away what came now */
	console_type(&con.pipes, "two", 3);
	expect_serial(&con, "two");
	say(&con, 0, PORT_OPEN, 1);
	console_type(&con.pipes, "three", 5);
	expect_bytes(&con, RX(0), 0, gpa, "three");
	assert_int_equal(counted(&con, "rx-bytes"), 5);
	console_type(&con.pipes, "four", 4); /* no buffer: it waits, and is not for the serial port */
	usleep(50000);
	assert_int_equal(terminal_read(con.rig->vm->terminal, &byte, 1), 0);
	gpa = give(&con, RX(0), 1, 3);
	expect_bytes(&con, RX(0), 1, gpa, "fou");
	gpa = give(&con, RX(0), 2, 3);
	expect_bytes(&con, RX(0), 2, gpa, "r");
	say(&con, 0, PORT_OPEN, 0);
	console_type(&con.pipes, "five", 4);
	expect_serial(&con, "five");
	virtcon_end(&con);
}

static void input_without_multiport(void **state)
{
	uint64_t gpa;

	virtcon_add(&con, *state, NULL);
	virtcon_run(&con);
	virtcon_up(&con, 0);
	post(&con, TX(0), 0, "up", 2);
	console_type(&con.pipes, "serial", 6); /* there is no buffer yet */
	expect_serial(&con, "serial");
	gpa = give(&con, RX(0), 0, 16);
	console_type(&con.pipes, "hvc0", 4);
	expect_bytes(&con, RX(0), 0, gpa, "hvc0");
	console_type(&con.pipes, "waits", 5);
	usleep(20000);
	reg_put(&con.d, R_STATUS, 0); /* what no buffer was for is the serial port's at once */
	expect_serial(&con, "waits");
	virtcon_end(&con);
}

/* More than minivmm holds, all at once: none is lost, and the loop does not spin while the driver has no buffer. */
static void much_input(void **state)
{
	static char bytes[60000];
	size_t got = 0;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 3 + i / 251);
	virtcon_add(&con, *state, NULL);
	virtcon_run(&con);
	virtcon_up(&con, 0);
	give(&con, RX(0), 0, 1);
	console_type(&con.pipes, bytes, sizeof(bytes));
	wait_until(used(&con, RX(0)) == 1);
	for (uint16_t at = 1; ++got < sizeof(bytes); at++) {
		uint64_t gpa = give(&con, RX(0), at % VIRTCON_RING, 1000);

		wait_until(used(&con, RX(0)) == (uint16_t)(at + 1));
		uint32_t len = ring_used_len(&con.d.rings[RX(0)], at);

		assert_in_range(len, 1, 1000);
		assert_memory_equal(gpa_ptr(con.rig, gpa, len), bytes + got, len);
		got += len - 1;
		if (at % 32 == 0)
			con.rig->next_gpa -= 32 * 1000;
	}
	assert_int_equal(counted(&con, "rx-bytes"), sizeof(bytes));
	virtcon_end(&con);
}

/* --- reset -------------------------------------------------------------------------------------------------------- */

static void reset_in_the_middle(void **state)
{
	char *bytes = calloc(1, 300000);
	uint64_t gpa;

	virtcon_add(&con, *state, NULL);
	virtcon_run(&con);
	virtcon_all_open(&con, 1);
	give(&con, RX(0), 0, 16);
	post(&con, TX(0), 0, bytes, 300000);
	assert_int_equal(used(&con, TX(0)), 0);
	struct ring old = con.d.rings[TX(0)];

	reg_put(&con.d, R_STATUS, 0);
	console_type(&con.pipes, "to the serial port", 18);
	expect_serial(&con, "to the serial port");
	virtcon_all_open(&con, 1);
	expect_control(&con, "0 CONSOLE 1;0 OPEN 1;");
	console_read(&con.pipes, bytes, 300000, 300);
	post(&con, TX(0), 5, "again", 5);
	console_expect(&con.pipes, "again", 5);
	gpa = give(&con, RX(0), 9, 16);
	console_type(&con.pipes, "again", 5);
	expect_bytes(&con, RX(0), 0, gpa, "again");
	assert_int_equal(ring_used_idx(&old), 0); /* what was popped before is not touched */
	virtcon_end(&con);
	free(bytes);
}

static void queue_reset(void **state)
{
	char *bytes = calloc(1, 300000);

	virtcon_add(&con, *state, NULL);
	virtcon_run(&con);
	virtcon_up(&con, F_RING_RESET);
	post(&con, TX(0), 0, bytes, 300000);
	reg_put(&con.d, R_QUEUE_SEL, TX(0));
	reg_put(&con.d, R_QUEUE_RESET, 1);
	ring_place(&con.d.rings[TX(0)], VIRTCON_RING);
	ring_program(&con.d.rings[TX(0)]);
	ring_ready(&con.d.rings[TX(0)], 1);
	console_read(&con.pipes, bytes, 300000, 300);
	post(&con, TX(0), 0, "again", 5);
	console_expect(&con.pipes, "again", 5);
	wait_until(used(&con, TX(0)) == 1);
	virtcon_end(&con);
	free(bytes);
}

/* --- the size ----------------------------------------------------------------------------------------------------- */

static void set_size(int fd, uint16_t cols, uint16_t rows)
{
	struct winsize size = { .ws_col = cols, .ws_row = rows };

	assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
	terminal_resized(con.rig->vm->terminal); /* SIGWINCH */
}

static void size_and_resize(void **state)
{
	struct rig *rig = *state;
	int master, slave;
	uint32_t generation;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, &(struct winsize){ .ws_col = 80, .ws_row = 25 }), 0);
	dup2(slave, STDOUT_FILENO); /* teardown puts it back */
	virtcon_add(&con, rig, NULL);
	assert_int_equal(window_get(&con.d, COLS, 4), 80 | 25 << 16);
	virtcon_up(&con, F_SIZE); /* by the configuration space alone */
	generation = reg_get(&con.d, R_CONFIG_GENERATION);
	set_size(slave, 132, 43);
	assert_int_equal(window_get(&con.d, COLS, 4), 132 | 43 << 16);
	assert_int_equal(reg_get(&con.d, R_CONFIG_GENERATION), generation + 1);
	assert_int_equal(reg_get(&con.d, R_INTERRUPT_STATUS), ISR_CONFIG);
	set_size(slave, 132, 43); /* nothing new */
	assert_int_equal(reg_get(&con.d, R_CONFIG_GENERATION), generation + 1);
	virtcon_all_open(&con, 1);
	expect_control(&con, "0 CONSOLE 1;0 RESIZE 1 132x43;0 OPEN 1;");
	set_size(slave, 20, 10);
	expect_control(&con, "0 RESIZE 1 20x10;");
	virtcon_up(&con, F_MULTIPORT); /* without F_SIZE */
	give_control(&con, 8);
	say(&con, 0, PORT_READY, 1);
	set_size(slave, 30, 10);
	expect_control(&con, "0 CONSOLE 1;0 OPEN 1;");
	assert_int_equal(used(&con, CONTROL_RX), con.control_seen);
	close(master);
	close(slave);
}

/* --- emergency write ---------------------------------------------------------------------------------------------- */

static void emergency_write(void **state)
{
	struct rig *rig = *state;

	virtcon_add(&con, rig, NULL);
	window_put(&con.d, EMERG_WR, 4, 'a'); /* not even acknowledged */
	window_put(&con.d, EMERG_WR, 1, 'b');
	window_put(&con.d, EMERG_WR, 2, 0xff00 | 'c');
	window_put(&con.d, MAX_PORTS, 8, (uint64_t)'d' << 32);
	window_put(&con.d, EMERG_WR + 1, 1, 'x');
	window_put(&con.d, MAX_PORTS, 4, 'y');
	window_put(&con.d, COLS, 2, 'z');
	assert_int_equal(window_get(&con.d, EMERG_WR, 4), 0);
	virtcon_up(&con, F_EMERG);
	window_put(&con.d, EMERG_WR, 4, '\n');
	expect_shown(&con, "abcd\n");
	assert_int_equal(counted(&con, "tx-bytes"), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(identity),
		RIG_TEST(only_one_has_the_terminal),
		RIG_TEST(handshake),
		RIG_TEST(control_waits_for_buffers),
		RIG_TEST(output),
		RIG_TEST(device_lines_are_whole),
		RIG_TEST(full_output),
		RIG_TEST(no_reader),
		RIG_TEST(input_is_the_serial_ports_at_first),
		RIG_TEST(input_without_multiport),
		RIG_TEST(much_input),
		RIG_TEST(reset_in_the_middle),
		RIG_TEST(queue_reset),
		RIG_TEST(size_and_resize),
		RIG_TEST(emergency_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
