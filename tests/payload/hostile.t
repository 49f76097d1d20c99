#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Guests that break the rules (CHECKLIST.md, E) cost their own device and nothing else; hostile.sh has the cases. In so
# much memory and processor time as such a machine may take: RLIMIT_AS and RLIMIT_CPU end one that takes more.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/hostile.sh"
need_kvm

(ulimit -v 1048576 && true) || skip_all 'no limit can be set'
bounded=$TMP/minivmm
program=$MINIVMM
# 9 GiB of RAM, of one guest, beside what each machine needs
printf '#!/bin/bash\nulimit -v $((11 << 20)) -t 1200\n[[ $* == *9G* || $* == *6G* ]] || ulimit -v $((400 << 10)) -t 1200\nexec "%s" "$@"\n' \
	"$program" >"$bounded"
chmod +x "$bounded"
MINIVMM=$bounded

hostile_guests 0
hostile_files
hostile_complete
done_testing
