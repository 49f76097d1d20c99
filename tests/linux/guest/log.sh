# SPDX-License-Identifier: GPL-2.0-only
# For the guest's scripts, as /log.sh: of the kernel's log, since each byte of the console takes its time, how long it
# is, and the lines that tell of a defect (those of complaints() in lib.sh) or of an error.
defects='WARNING|BUG|Oops|[Cc]all [Tt]race|cut here|lockdep|possible .* (deadlock|recursive)|not returned|refcount'
defects="$defects|nobody cared|hung|stall"
errors='I/O error|[Ee]rror:|error \(|EXT4-fs warning|[Oo]ut of memory|failed'

tell_log() {
	echo "log lines: $(dmesg | wc -l)"
	dmesg | grep -E "$defects|$errors" | sed 's/^/log: /'
}
