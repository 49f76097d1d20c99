# SPDX-License-Identifier: GPL-2.0-only
# "make run" and "make test" are all that a newcomer needs; "make help" lists the rest.

VERSION := 0.1.0
BUILD := build
CFLAGS ?= -O2 -g
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
comma := ,
V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = @printf '  %-4s %s\n' '$(1)' '$(2)'

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Werror
CPPFLAGS_ALL := -I. -D_GNU_SOURCE -DMINIVMM_VERSION='"$(VERSION)"' $(CPPFLAGS)
CFLAGS_ALL := -std=c11 $(WARN) -pthread -fno-common $(CFLAGS)

SRCS := $(wildcard vmm/*.c vmm/*/*.c vmm/arch/x86/*.c devices/*.c devices/virtio/*.c devices/backend/*.c dtb/*.c)
OBJS := $(SRCS:%.c=$(BUILD)/obj/%.o)
# The user network, which minivmm starts; libslirp is a shared library only. What it shares with minivmm is in vmm/.
USERNET_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard devices/backend/usernet/*.c) vmm/log.c vmm/number.c)

LIBS := -lfdt -luring -lseccomp -lz -llzma -lzstd -llz4
PROGRAMS := minivmm minivmm-usernet

all: $(PROGRAMS)

# --- the two commands ------------------------------------------------------------------------------------------------

RUN_ARGS := --device test,delay=500ms,period=500ms --append 'quiet ticks=6 dmesg=16' --stats --stats=$(BUILD)/exits.json

# Sets up, builds, boots: the numbers go round, then the guest's dmesg and the exits, which build/exits.svg draws. The
# status is the guest's end.
run: | setup
	@$(MAKE) --no-print-directory $(PROGRAMS) guest
	scripts/with-kvm ./minivmm --kernel $(BUILD)/bzImage $(RUN_ARGS)
	@scripts/plot-exits $(BUILD)/exits.json -o $(BUILD)/exits.svg

# Everything that has to hold, from nothing. The directories are those of the tests themselves.
test: | setup
	@$(MAKE) --no-print-directory $(PROGRAMS) guest unit-tests bounds-tests payloads count-programs $(INJECT) sanitized-minivmm
	@$(MAKE) --no-print-directory check-asan allocations check-corpus check-tsan
	$(WITH_ASAN) CMOCKA_MESSAGE_OUTPUT=TAP prove --timer $(UNIT_TESTS) $(BOUNDS_TESTS) tests/model tests/host tests/cli tests/payload tests/sandbox tests/linux
	@$(MAKE) --no-print-directory check-valgrind

setup:
	@scripts/setup

# The guest: kernel, driver, initramfs, and a kernel with the initramfs inside. Each step knows whether it is needed.
guest: | $(BUILD)/probe.elf
	@scripts/build-initramfs
	@scripts/build-image

# Static: it starts in a fraction of the time, and runs in any root file system.
minivmm: $(OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) -static $(LDFLAGS) -o $@ $^ $(LIBS)

# The same of another BUILD, not static: a sanitizer's run time takes the place of functions of the C library.
$(BUILD)/minivmm: $(OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(LIBS)

minivmm-usernet: $(USERNET_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ -lslirp

# The names of system calls, from the kernel's own header.
$(BUILD)/obj/vmm/sandbox/syscall_names.inc: Makefile
	@mkdir -p $(@D)
	$(Q)echo '#include <asm/unistd.h>' | $(CC) -E -dM - | sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$$/[\2] = "\1",/p' >$@

$(BUILD)/obj/vmm/sandbox/rules.o: CPPFLAGS_ALL += -I$(BUILD)/obj/vmm/sandbox
$(BUILD)/obj/vmm/sandbox/rules.o: $(BUILD)/obj/vmm/sandbox/syscall_names.inc
$(BUILD)/obj/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

include tests/tests.mk

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# --- the code's form ---------------------------------------------------------------------------------------------------

# The guest's driver is in the kernel's style, which checkpatch.pl judges in tests/linux.
C_FILES := $(wildcard tests/*.h vmm/*.[ch] vmm/*/*.[ch] vmm/arch/x86/*.[ch] devices/*.[ch] devices/virtio/*.[ch] devices/backend/*.[ch] devices/backend/usernet/*.[ch] dtb/*.[ch] tests/*/*.[ch])
CPPCHECK := cppcheck -q --std=c11 -I. --library=gnu --enable=warning,performance,portability --inline-suppr \
	--suppress=missingIncludeSystem --suppress=resourceLeak:tests/bench/floor.c --suppress=memleak:tests/bench/floor.c \
	-DMINIVMM_VERSION='""' -D__x86_64__ --error-exitcode=1

format:
	clang-format -i $(C_FILES)

lint:
	$(CPPCHECK) vmm devices dtb tests/bench
	clang-format --dry-run -Werror $(C_FILES)
	shellcheck -x -P SCRIPTDIR -S warning -e SC2187,SC2054 $(filter-out %.awk %.bt,$(wildcard scripts/*)) tests/*.sh tests/fuzz/run tests/fuzz/coverage tests/sandbox/record tests/sandbox/rules $(wildcard tests/*/*.t tests/*/*.sh)

# The manual of events is the list in vmm/trace.h, as minivmm itself tells it.
docs: minivmm
	./minivmm --trace help >docs/events.md

# What the standard asks, and what a run of its tests found, here and on QEMU.
conformance: $(PROGRAMS) payloads $(ITEM_TESTS)
	scripts/conformance -o docs/conformance.md

help:
	@echo 'make run           boot the guest: numbers, dmesg, exits'
	@echo 'make test          all tests'
	@echo 'make check-unit    unit tests (no KVM);  check-asan  the same under sanitizers'
	@echo 'make check-tsan    threads at work on all devices, under the thread sanitizer; TIME=seconds'
	@echo 'make check-model   no kick and no interrupt is lost: every interleaving of a model'
	@echo 'make check-cli     command line;  check-payload  bare-metal guests;  check-linux  Linux guests'
	@echo 'make check-sandbox what a thread that was taken over can do'
	@echo 'make fuzz          libFuzzer, a minute a target (TIME=, TARGET=: docs/fuzzing.md);  check-corpus  its inputs once'
	@echo '                   fuzz-coverage  what they reach'
	@echo 'make check-bounds  what a guest can have minivmm do: loads, allocations, work, lines'
	@echo 'make check-hostile drivers that break the rules: guests, sanitizers, memcheck'
	@echo 'make check-host    a host that fails: each system call, each allocation'
	@echo 'make test-long     the slow campaigns'
	@echo 'make bench         figures of this machine, as ratios; alone: make count-notify  the instructions of an exit,'
	@echo '                   make bench-devices  disk and network beside QEMU'
	@echo '                   make bench-boot     from KVM_RUN to init beside QEMU'
	@echo 'make docs          docs/events.md, from the list of events'
	@echo 'make conformance   docs/conformance.md, from a run of the tests of the standard, here and on QEMU'
	@echo 'make format lint   the form of the code'
	@echo 'make clean         what make built of minivmm itself; "rm -rf build" for the kernels too'
	@echo 'V=1 shows commands; CC=clang works; KVM=direct|box says where guests run'

clean:
	rm -rf $(BUILD)/obj $(BUILD)/asan-* $(BUILD)/fuzz $(BUILD)/coverage $(BUILD)/untraced $(BUILD)/tests $(PROGRAMS)

.PHONY: all run test docs conformance setup guest help lint format clean
