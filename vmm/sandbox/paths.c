// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/sandbox/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Since Landlock's third version, which these headers may not know. */
#define ACCESS_TRUNCATE (1ull << 14)

/* What each version (from 1) can forbid: all of it is, but for the paths that are allowed. */
static uint64_t handled(long version)
{
	uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (version >= 2)
		all |= LANDLOCK_ACCESS_FS_REFER;
	return version >= 3 ? all | ACCESS_TRUNCATE : all;
}

int paths_init(struct sandbox_paths *paths)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = { .handled_access_fs = handled(version) };

	*paths = (struct sandbox_paths){ .ruleset_fd = -1, .handled = attr.handled_access_fs };
	if (version < 1)
		return 0;
	paths->ruleset_fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0); /* O_CLOEXEC */
	return paths->ruleset_fd < 0 ? -errno : 0;
}

void paths_release(struct sandbox_paths *paths)
{
	if (paths->ruleset_fd >= 0)
		close(paths->ruleset_fd);
}

static int allow(const struct sandbox_paths *paths, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr attr = { .allowed_access = access & paths->handled,
						   .parent_fd = open(path, O_PATH | O_CLOEXEC) };
	int err = 0;

	if (attr.parent_fd < 0 ||
	    syscall(SYS_landlock_add_rule, paths->ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0)
		err = -errno;
	if (attr.parent_fd >= 0)
		close(attr.parent_fd);
	return err;
}

int paths_allow(struct sandbox_paths *paths, const char *path, enum path_use use)
{
	static const uint64_t access[] = {
		[PATH_REPLACE] = LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE |
				 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE,
		[PATH_WRITE] = LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE,
		[PATH_REMOVE] = LANDLOCK_ACCESS_FS_REMOVE_FILE,
	};
	char *copy;
	int err;

	paths->any = true;
	if (paths->ruleset_fd < 0)
		return 0;
	if (use == PATH_WRITE)
		return allow(paths, path, access[use]);
	copy = strdup(path);
	err = copy ? allow(paths, dirname(copy), access[use]) : -ENOMEM;
	free(copy);
	return err;
}

int paths_enter(const struct sandbox_paths *paths)
{
	return paths->ruleset_fd >= 0 && syscall(SYS_landlock_restrict_self, paths->ruleset_fd, 0) < 0 ? -errno : 0;
}
