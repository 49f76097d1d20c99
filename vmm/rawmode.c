// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/rawmode.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

/* For the handler of fatal signals alone, which is given nothing but a number. */
static struct termios saved_termios;
static volatile sig_atomic_t termios_is_saved;

void rawmode_leave(void)
{
	if (termios_is_saved)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved_termios);
	termios_is_saved = 0;
}

static bool is_instruction(int signo)
{
	return signo == SIGSEGV || signo == SIGBUS || signo == SIGILL || signo == SIGFPE || signo == SIGTRAP;
}

/*
 * SA_RESETHAND: the next one kills, with its usual core and status. What an instruction caused comes again by itself;
 * what somebody sent does not, but a thread that is confined may not send either.
 */
static void on_fatal_signal(int signo, siginfo_t *info, void *context)
{
	(void)context;
	rawmode_leave();
	if (!is_instruction(signo) || info->si_code <= 0)
		raise(signo);
}

void rawmode_guard(void)
{
	/* every signal that ends a process and is not taken by the loop */
	static const int fatal[] = { SIGSEGV, SIGBUS,  SIGILL,    SIGFPE,  SIGABRT, SIGTRAP,   SIGSYS, SIGXCPU,
				     SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO,   SIGSTKFLT, SIGPWR };
	struct sigaction action = { .sa_sigaction = on_fatal_signal, .sa_flags = (int)(SA_RESETHAND | SA_SIGINFO) };

	for (unsigned i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &action, NULL);
}

int rawmode_enter(void)
{
	struct termios raw;

	if (!termios_is_saved && tcgetattr(STDIN_FILENO, &saved_termios) < 0)
		return -errno;
	termios_is_saved = 1;
	raw = saved_termios;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* our own lines end in a plain newline */
	return tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0 ? -errno : 0;
}
