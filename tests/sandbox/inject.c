// SPDX-License-Identifier: GPL-2.0-only
/*
 * inject PID THREAD execve|socket|open|openat|getppid|crash: has a thread of that process make a system call that it
 * never makes, as somebody would who had taken it over. Prints "refused", where SIGSYS comes, "returned: " and the
 * result, or "died: " and how. "crash" is no call: the thread goes on at address 0, and nobody looks.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

static const struct {
	const char *name;
	long nr;
	unsigned long args[3];
} calls[] = {
	{ "execve", SYS_execve, { 0, 0, 0 } },
	{ "socket", SYS_socket, { AF_INET, SOCK_STREAM, 0 } },
	{ "open", SYS_open, { 0, 0, 0 } },
	{ "openat", SYS_openat, { (unsigned long)AT_FDCWD, 0, O_RDONLY } }, /* of PATH */
	{ "getppid", SYS_getppid, { 0, 0, 0 } },
	{ "crash", -1, { 0, 0, 0 } },
};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* The thread of that name. */
static pid_t find_thread(const char *pid, const char *name)
{
	char path[600], comm[32];
	const struct dirent *entry;
	pid_t found = 0;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	DIR *dir = opendir(path);

	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/task/%s/comm", pid, entry->d_name);
		FILE *file = fopen(path, "r");

		if (!file)
			continue;
		if (fgets(comm, sizeof(comm), file) && strcspn(comm, "\n") == strlen(name) &&
		    memcmp(comm, name, strlen(name)) == 0)
			found = (pid_t)atoi(entry->d_name);
		fclose(file);
	}
	if (dir)
		closedir(dir);
	if (!found)
		die("no such thread");
	return found;
}

static void registers(int request, pid_t tid, struct user_regs_struct *regs)
{
	struct iovec iov = { regs, sizeof(*regs) };

	if (ptrace(request, tid, (void *)NT_PRSTATUS, &iov) < 0)
		die("the registers");
}

#define PATH "/etc/passwd"

static void put(pid_t tid, unsigned long at)
{
	uint64_t words[2] = { 0 };

	memcpy(words, PATH, sizeof(PATH));
	for (unsigned i = 0; i < 2; i++)
		if (ptrace(PTRACE_POKEDATA, tid, (void *)(at + 8 * i), (void *)words[i]) < 0)
			die("PTRACE_POKEDATA");
}

/* Lets it go on to the next stop, with a signal or 0. False where it has ended, which is told. */
static bool go_on(pid_t tid, int signo, int *status)
{
	if (ptrace(PTRACE_SYSCALL, tid, NULL, (void *)(long)signo) < 0 || waitpid(tid, status, __WALL) < 0)
		die("PTRACE_SYSCALL");
	if (WIFSIGNALED(*status))
		printf("died: SIG%s\n", sigabbrev_np(WTERMSIG(*status)));
	if (WIFEXITED(*status))
		printf("died: status %d\n", WEXITSTATUS(*status));
	return WIFSTOPPED(*status);
}

int main(int argc, char **argv)
{
	struct user_regs_struct before, regs;
	unsigned call = 0, n_stops = 0;
	long result = 0;
	int status;

	while (argc == 4 && call < sizeof(calls) / sizeof(calls[0]) && strcmp(argv[3], calls[call].name) != 0)
		call++;
	if (argc != 4 || call == sizeof(calls) / sizeof(calls[0])) {
		fprintf(stderr, "inject PID THREAD execve|socket|open|openat|getppid|crash\n");
		return 2;
	}
	pid_t tid = find_thread(argv[1], argv[2]);

	if (ptrace(PTRACE_SEIZE, tid, NULL, (void *)PTRACE_O_TRACESYSGOOD) < 0 ||
	    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 || waitpid(tid, &status, __WALL) < 0)
		die("PTRACE_SEIZE");
	registers(PTRACE_GETREGSET, tid, &before);
	/* threads of minivmm spend their time in system calls: the instruction is right before */
	if ((ptrace(PTRACE_PEEKTEXT, tid, (void *)(before.rip - 2), NULL) & 0xffff) != 0x050f) {
		fprintf(stderr, "inject: the thread is not in a system call: try again\n");
		return 3;
	}
	regs = before;
	regs.rip -= 2;
	regs.rax = (unsigned long)calls[call].nr;
	regs.orig_rax = ~0ul; /* what it was interrupted in is not to be restarted ... */
	regs.rdi = calls[call].args[0];
	regs.rsi = calls[call].args[1];
	regs.rdx = calls[call].args[2];
	if (calls[call].nr == SYS_openat) {
		regs.rsi = regs.rsp - 1024; /* below all that the thread has there */
		put(tid, regs.rsi);
	}
	if (calls[call].nr < 0)
		regs.rip = 0;
	registers(PTRACE_SETREGSET, tid, &regs);
	if (calls[call].nr < 0) {
		ptrace(PTRACE_DETACH, tid, NULL, NULL);
		return 0;
	}
	while (n_stops < 2) { /* before the call and behind it */
		if (!go_on(tid, 0, &status))
			return 0;
		n_stops += WSTOPSIG(status) == (SIGTRAP | 0x80);
	}
	registers(PTRACE_GETREGSET, tid, &regs);
	result = (long)regs.rax;
	before.orig_rax = ~0ul;
	before.rax = (unsigned long)-EINTR; /* ... it was interrupted */
	registers(PTRACE_SETREGSET, tid, &before);
	if (!go_on(tid, 0, &status))
		return 0;
	bool refused = WSTOPSIG(status) == SIGSYS;

	if (refused)
		printf("refused\n");
	else
		printf("returned: %ld\n", result);
	ptrace(PTRACE_DETACH, tid, NULL, (void *)(refused ? (long)SIGSYS : 0));
	return 0;
}
