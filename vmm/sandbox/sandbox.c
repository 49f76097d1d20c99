// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/sandbox/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/sandbox/paths.h"
#include "vmm/sandbox/refused.h"
#include "vmm/sandbox/rules.h"

#define RULES_MAX 160u
#define WAY_OUT   "--sandbox=off runs without"

struct sandbox {
	enum sandbox_mode mode;
	struct call_rule rules[RULES_MAX];
	unsigned n_rules;
	struct sandbox_paths paths;
	struct sock_fprog filters[BY_KINDS]; /* as they were needed */
	int told_fd;                         /* SANDBOX_LOG: where a thread's refused calls are told from */
};

static const char *const kinds[BY_KINDS] = { "main", "loop", "vcpu", "disk", "writer" };

int sandbox_create(struct sandbox **out, enum sandbox_mode mode)
{
	struct sandbox *sandbox;
	int err = 0;

	*out = NULL;
	if (mode == SANDBOX_OFF)
		return 0;
	/* EFAULT: the kernel would have looked at a filter */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) < 0 && errno != EFAULT) {
		log_error("--sandbox: this kernel has no system call filters (CONFIG_SECCOMP_FILTER): " WAY_OUT);
		return -ENOSYS;
	}
	sandbox = calloc(1, sizeof(*sandbox));
	if (!sandbox) {
		log_error("--sandbox: no memory");
		return -ENOMEM;
	}
	sandbox->mode = mode;
	sandbox->told_fd = -1;
	sandbox_allow(sandbox, sandbox_base);
	err = paths_init(&sandbox->paths);
	if (!err)
		err = mode == SANDBOX_LOG ? refused_tell(&sandbox->told_fd) : 0;
	if (err) {
		log_error("--sandbox: %s: " WAY_OUT, strerror(-err));
		sandbox_destroy(sandbox);
		return err;
	}
	*out = sandbox;
	return 0;
}

void sandbox_destroy(struct sandbox *sandbox)
{
	if (!sandbox)
		return;
	paths_release(&sandbox->paths);
	for (unsigned kind = 0; kind < BY_KINDS; kind++)
		free(sandbox->filters[kind].filter);
	if (sandbox->told_fd >= 0)
		close(sandbox->told_fd);
	free(sandbox);
}

/* Two parts of minivmm may need the same. */
static bool is_there(const struct sandbox *sandbox, const struct call_rule *rule)
{
	for (unsigned i = 0; i < sandbox->n_rules; i++)
		if (memcmp(&sandbox->rules[i], rule, sizeof(*rule)) == 0)
			return true;
	return false;
}

void sandbox_allow(struct sandbox *sandbox, const struct call_rule *rules)
{
	for (; sandbox && rules->nr >= 0 && sandbox->n_rules < RULES_MAX; rules++)
		if (!is_there(sandbox, rules))
			sandbox->rules[sandbox->n_rules++] = *rules;
}

int sandbox_allow_path(struct sandbox *sandbox, const char *path, enum path_use use)
{
	static const struct call_rule remove[] = { ALLOW(newfstatat, BY_MAIN), ALLOW(unlink, BY_MAIN), ALLOW_END };

	if (use == PATH_REMOVE)
		sandbox_allow(sandbox, remove);
	return sandbox ? paths_allow(&sandbox->paths, path, use) : 0;
}

/* --- filters -------------------------------------------------------------------------------------------------------
 */

static int add_rule(scmp_filter_ctx rules, const struct call_rule *rule)
{
	if (!rule->mask)
		return seccomp_rule_add(rules, SCMP_ACT_ALLOW, rule->nr, 0);
	return seccomp_rule_add(rules, SCMP_ACT_ALLOW, rule->nr, 1,
				SCMP_CMP64(rule->arg, SCMP_CMP_MASKED_EQ, rule->mask, rule->value));
}

/* The program for the kernel, which the library only writes to a file. 0 or -errno. */
static int export(scmp_filter_ctx rules, struct sock_fprog *filter)
{
	int fd = memfd_create("filter", MFD_CLOEXEC), err = fd < 0 ? -errno : seccomp_export_bpf(rules, fd);
	off_t size = err ? 0 : lseek(fd, 0, SEEK_CUR);

	if (!err && size <= 0)
		err = -EIO;
	filter->filter = err ? NULL : malloc((size_t)size);
	if (!err && (!filter->filter || pread(fd, filter->filter, (size_t)size, 0) != size))
		err = -ENOMEM;
	filter->len = err ? 0 : (unsigned short)((size_t)size / sizeof(*filter->filter));
	if (fd >= 0)
		close(fd);
	return err;
}

int sandbox_prepare(struct sandbox *sandbox, unsigned by)
{
	if (!sandbox || sandbox->filters[__builtin_ctz(by)].len)
		return 0;
	scmp_filter_ctx rules = seccomp_init(sandbox->mode == SANDBOX_LOG ? SCMP_ACT_NOTIFY : SCMP_ACT_TRAP);
	int err = rules ? 0 : -ENOMEM;

	if (!err && sandbox->mode == SANDBOX_ON)
		err = refused_end();
	for (unsigned i = 0; i < sandbox->n_rules && !err; i++)
		err = sandbox->rules[i].threads & by ? add_rule(rules, &sandbox->rules[i]) : 0;
	if (!err)
		err = export(rules, &sandbox->filters[__builtin_ctz(by)]);
	if (rules)
		seccomp_release(rules);
	return err;
}

/* --- a thread ----------------------------------------------------------------------------------------------------- */

/* All but `kept`, from every set. */
static int drop_capabilities(uint64_t kept)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(kept >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/*
 * Of this thread alone: the others have filters of their own. SPEC_ALLOW: the guest is kept apart by KVM, not by a
 * filter, and need not be slowed down by what older kernels do to processes that are filtered.
 */
static int load_filter(const struct sandbox *sandbox, unsigned by)
{
	unsigned long flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW |
			      (sandbox->told_fd >= 0 ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0);
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &sandbox->filters[__builtin_ctz(by)]);

	if (fd < 0)
		return -errno;
	return sandbox->told_fd < 0 ? 0 : refused_told(sandbox->told_fd, (int)fd);
}

int sandbox_enter(const struct sandbox *sandbox, unsigned by, const char *name)
{
	int err = 0;

	snprintf(refused_name, sizeof(refused_name), "%s", name);
	if (!sandbox)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err = -errno;
	if (!err)
		err = paths_enter(&sandbox->paths);
	/* whoever may replace a file of somebody else's must be able to do it at the end as he was at the start */
	if (!err)
		err = drop_capabilities(by == BY_MAIN && sandbox->paths.any ? 1u << CAP_DAC_OVERRIDE : 0);
	if (!err)
		err = load_filter(sandbox, by);
	if (err)
		log_error("--sandbox: the thread %s cannot be confined: %s: " WAY_OUT, name, strerror(-err));
	return err;
}

/* --- for people --------------------------------------------------------------------------------------------------- */

void sandbox_print(const struct sandbox *sandbox, FILE *out)
{
	for (unsigned kind = 0; sandbox && kind < BY_KINDS; kind++) {
		for (unsigned i = 0; i < sandbox->n_rules; i++) {
			const struct call_rule *rule = &sandbox->rules[i];

			if (!(rule->threads & (1u << kind)))
				continue;
			fprintf(out, "%s %s", kinds[kind], call_name(rule->nr));
			if (rule->mask)
				fprintf(out, " where argument %u & 0x%llx is 0x%llx", rule->arg,
					(unsigned long long)rule->mask, (unsigned long long)rule->value);
			fputc('\n', out);
		}
	}
}
