// SPDX-License-Identifier: GPL-2.0-only
/*
 * start MINIVMM PAYLOAD FLOOR [RUNS]
 *
 * The time from exec to a byte of the guest's on standard output, for minivmm and for a program that makes only the
 * ioctls that cannot be avoided, alternating in one run; and minivmm's private memory beyond the guest's RAM while the
 * guest sleeps. Figures are medians; only the ratio says something about the program, the rest about the machine.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNS_DEFAULT 60
#define RUNS_MAX     10000
#define WARM_UP      5
#define MEM_MIB      128u

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Private pages of the process in KiB, but for the one mapping that is as large as the guest's RAM. */
static long private_kib(pid_t pid)
{
	char path[64], line[256];
	long sum = 0, value;
	uint64_t start, end;
	int is_ram = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	FILE *file = fopen(path, "r");

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			is_ram = end - start == (uint64_t)MEM_MIB << 20;
		else if (!is_ram && (sscanf(line, "Private_Clean: %ld", &value) == 1 ||
				     sscanf(line, "Private_Dirty: %ld", &value) == 1))
			sum += value;
	}
	fclose(file);
	return sum;
}

/* Runs the program to its guest's first byte. Nanoseconds, or 0 where it did not come. */
static uint64_t time_start(char *const argv[], long *kib)
{
	int out[2];
	char byte;

	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || pipe(out) < 0)
		return 0;
	uint64_t start = now_ns();
	pid_t pid = vfork();

	if (pid == 0) {
		dup2(null, STDIN_FILENO); /* a terminal would be put into raw mode, and stay so when we kill it */
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execv(argv[0], argv);
		_exit(127);
	}
	close(null);
	close(out[1]);
	ssize_t n = read(out[0], &byte, 1);
	uint64_t ns = now_ns() - start;

	if (kib)
		*kib = private_kib(pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(out[0]);
	return n == 1 && byte == '!' ? ns : 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static double median_us(uint64_t *ns, unsigned n)
{
	qsort(ns, n, sizeof(*ns), by_value);
	return (double)ns[n / 2] / 1000.0;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "start: usage: start MINIVMM PAYLOAD FLOOR [RUNS]\n");
		return 2;
	}
	unsigned runs = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : RUNS_DEFAULT;

	if (runs == 0 || runs > RUNS_MAX) {
		fprintf(stderr, "start: %s: runs are 1 to %d\n", argv[4], RUNS_MAX);
		return 2;
	}
	char mem[16];

	snprintf(mem, sizeof(mem), "%uM", MEM_MIB);
	char *minivmm[] = { argv[1], "--kernel", argv[2], "--mem", mem, NULL };
	char *floor_[] = { argv[3], NULL };
	uint64_t *ours = calloc(runs, sizeof(*ours)), *least = calloc(runs, sizeof(*least));
	long kib = 0;

	for (unsigned i = 0; i < runs + WARM_UP; i++) {
		unsigned at = i < WARM_UP ? 0 : i - WARM_UP;

		ours[at] = time_start(minivmm, &kib);
		least[at] = time_start(floor_, NULL);
		if (!ours[at] || !least[at]) {
			fprintf(stderr, "start: %s: the guest's first byte did not come\n",
				ours[at] ? argv[3] : argv[1]);
			return 1;
		}
	}
	double our_us = median_us(ours, runs), least_us = median_us(least, runs);

	printf("start: exec to the guest's first instruction, median of %u alternating runs\n", runs);
	printf("  minivmm  %8.0f us\n  floor    %8.0f us\n  ratio    %8.2f\n", our_us, least_us, our_us / least_us);
	printf("memory: private, beyond %u MiB of guest RAM\n  minivmm  %8ld KiB\n", MEM_MIB, kib);
	free(ours);
	free(least);
	return 0;
}
