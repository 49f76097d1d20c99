// SPDX-License-Identifier: GPL-2.0-only
/*
 * blocks write DISK: writes numbered blocks from the disk's start, O_DIRECT, some at a time; after each fsync() it says
 * "synced N": blocks 0 to N are on the medium. At the end of the disk it waits.
 *
 * blocks check FILE LAST: whether blocks 0 to LAST are in it as they were written; says the first that is not.
 *
 * The same program in the guest and on the host, static, since the guest has no libraries.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS   512 /* of 8 bytes in a block */
#define AT_ONCE 8   /* blocks between two fsync(), at most */

static _Alignas(4096) uint64_t blocks[AT_ONCE][WORDS];

static void die(const char *what)
{
	printf("blocks: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* All of it follows from the number, and no word from its neighbour alone. */
static void fill(uint64_t block[WORDS], uint64_t number)
{
	uint64_t state = number + 1, sum = 0;

	block[0] = number;
	for (unsigned i = 1; i < WORDS - 1; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		block[i] = state + number;
	}
	for (unsigned i = 0; i < WORDS - 1; i++)
		sum = (sum ^ block[i]) * 0x100000001b3u;
	block[WORDS - 1] = sum;
}

static void write_disk(const char *path)
{
	int fd = open(path, O_WRONLY | O_DIRECT);
	uint64_t next = 0;

	if (fd < 0)
		die(path);
	for (;;) {
		unsigned n = 1 + (unsigned)(next * 2654435761u >> 7) % AT_ONCE;

		for (unsigned i = 0; i < n; i++)
			fill(blocks[i], next + i);
		ssize_t wrote = pwrite(fd, blocks, n * sizeof(blocks[0]), (off_t)(next * sizeof(blocks[0])));

		if (wrote < 0 && errno == ENOSPC)
			break;
		if (wrote != (ssize_t)(n * sizeof(blocks[0])) && wrote >= 0)
			break;
		if (wrote < 0 || fsync(fd) < 0)
			die("write");
		next += n;
		printf("synced %" PRIu64 "\n", next - 1);
		fflush(stdout);
	}
	printf("the disk is full\n");
	fflush(stdout);
	pause();
}

static int check(const char *path, uint64_t last)
{
	static uint64_t wanted[WORDS], got[WORDS];
	FILE *file = fopen(path, "r");

	if (!file)
		die(path);
	for (uint64_t i = 0; i <= last; i++) {
		fill(wanted, i);
		if (fread(got, sizeof(got), 1, file) != 1 || memcmp(got, wanted, sizeof(got)) != 0) {
			printf("block %" PRIu64 " of %" PRIu64 " is not what was written: it begins with %" PRIu64 "\n",
			       i, last + 1, got[0]);
			return 1;
		}
	}
	printf("%" PRIu64 " blocks are right\n", last + 1);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "write") == 0)
		write_disk(argv[2]);
	else if (argc == 4 && strcmp(argv[1], "check") == 0)
		return check(argv[2], strtoull(argv[3], NULL, 10));
	printf("blocks: see the head of its source\n");
	return 2;
}
