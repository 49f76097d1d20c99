# SPDX-License-Identifier: GPL-2.0-only
# "make run" and "make test" are all that a newcomer needs; "make help" lists the rest.

VERSION := 0.1.0
BUILD := build
CFLAGS ?= -O2 -g
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = @printf '  %-4s %s\n' '$(1)' '$(2)'

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Werror
CPPFLAGS_ALL := -I. -D_GNU_SOURCE -DMINIVMM_VERSION='"$(VERSION)"' $(CPPFLAGS)
CFLAGS_ALL := -std=c11 $(WARN) -pthread -fno-common $(CFLAGS)

SRCS := $(wildcard vmm/*.c vmm/sandbox/*.c vmm/trace/*.c vmm/arch/x86/*.c devices/*.c devices/virtio/*.c devices/backend/*.c dtb/*.c)
OBJS := $(SRCS:%.c=$(BUILD)/obj/%.o)
# The user network, which minivmm starts; libslirp is a shared library only. What it shares with minivmm is in vmm/.
USERNET_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard devices/backend/usernet/*.c) vmm/log.c vmm/number.c)

# liburing.a: the shared one of Debian 12 lacks io_uring_register_restrictions().
LIBS := -lfdt -l:liburing.a -lseccomp
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
	@$(MAKE) --no-print-directory $(PROGRAMS) guest unit-tests payloads count-programs $(BUILD)/tests/sandbox/inject
	@$(MAKE) --no-print-directory check-asan
	@$(MAKE) --no-print-directory check-corpus
	@$(MAKE) --no-print-directory check-tsan
	@$(MAKE) --no-print-directory $(PROGRAMS) guest unit-tests payloads count-programs
	@$(MAKE) --no-print-directory check-asan allocations
	CMOCKA_MESSAGE_OUTPUT=TAP prove --timer $(UNIT_TESTS) tests/model tests/host tests/cli tests/payload tests/sandbox tests/linux

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

# --- unit tests: cmocka, one program a file, the driver played in plain memory ---------------------------------------

UNIT_SRCS := $(wildcard tests/unit/test_*.c)
UNIT_SUPPORT := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(UNIT_SRCS),$(wildcard tests/unit/*.c)))
UNIT_TESTS := $(UNIT_SRCS:tests/unit/%.c=$(BUILD)/tests/unit/%)

$(UNIT_TESTS): $(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(UNIT_SUPPORT) $(filter-out %/main.o,$(OBJS))
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka -ljansson

# Those with items of the standard (tests/items.h), which scripts/conformance runs.
ITEM_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(shell grep -lE 'RIG_ITEM|EVERY_ITEM' $(UNIT_SRCS)))

# The user network under test is the real program, the ordinary build's also where sanitizers are on.
unit-tests: $(UNIT_TESTS) $(if $(findstring /asan-,$(BUILD)),,minivmm-usernet)

check-unit: unit-tests
	CMOCKA_MESSAGE_OUTPUT=TAP prove $(UNIT_TESTS)

# The same under the address and undefined-behaviour sanitizers; CC=clang works too.
ASAN_BUILD := $(BUILD)/asan-$(notdir $(CC))
ASAN_MAKE = $(MAKE) BUILD=$(ASAN_BUILD) CC=$(CC) CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
check-asan: minivmm-usernet
	$(ASAN_MAKE) check-unit

# minivmm under sanitizers, with allocations that fail: tests/host/allocations.c. Not position-independent: it tells
# where an allocation failed.
$(BUILD)/tests/host/minivmm: $(BUILD)/obj/tests/host/allocations.o $(OBJS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -no-pie -o $@ $^ -lfdt -luring

allocations: minivmm-usernet
	@$(ASAN_MAKE) --no-print-directory $(ASAN_BUILD)/tests/host/minivmm
	@mkdir -p $(BUILD)/tests/host
	@cp $(ASAN_BUILD)/tests/host/minivmm $(BUILD)/tests/host/minivmm-allocations
	@cp minivmm-usernet $(BUILD)/tests/host/

# --- what a thread that was taken over can do ---------------------------------------------------------------------------

$(BUILD)/tests/sandbox/%: tests/sandbox/%.c Makefile
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE $(CFLAGS_ALL) -o $@ $<

check-sandbox: $(PROGRAMS) payloads $(BUILD)/tests/sandbox/inject
	prove tests/sandbox

# --- fuzzing: docs/fuzzing.md ------------------------------------------------------------------------------------------

FUZZ_TARGETS := device kernel tree options
FUZZ_SUPPORT := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/replay.c $(FUZZ_TARGETS:%=tests/fuzz/%.c),$(wildcard tests/fuzz/*.c)))
FUZZ_PROGRAMS := $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%)
# What runs the inputs: libFuzzer with -fsanitize=fuzzer, else a main() of our own.
FUZZ_RUNNER := $(BUILD)/obj/tests/fuzz/replay.o
# What faults.c stands in for.
FUZZ_WRAP = malloc calloc realloc eventfd epoll_create1 epoll_ctl socket accept4 madvise getrandom timerfd_create timerfd_settime open ioctl $(if $(filter %/options,$@),argp_parse)
FUZZ_SANITIZE := address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

$(FUZZ_PROGRAMS): $(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(FUZZ_SUPPORT) $(UNIT_SUPPORT) $(filter-out %/main.o,$(OBJS)) $(filter %.o,$(FUZZ_RUNNER))
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) $(FUZZ_WRAP:%=-Wl,--wrap=%) -o $@ $^ $(filter-out %.o,$(FUZZ_RUNNER)) $(LIBS) -lcmocka -ljansson

fuzz-programs: $(FUZZ_PROGRAMS)

# TIME seconds for each target, or for the one of TARGET=. What is found stays in build/fuzz/TARGET/findings.
TIME := 60
TARGET := $(FUZZ_TARGETS)
fuzz: fuzz-libfuzzer
	tests/fuzz/run $(BUILD)/fuzz $(TIME) $(TARGET)

fuzz-libfuzzer:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang FUZZ_RUNNER=-fsanitize=fuzzer \
		CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZE)' fuzz-programs

# What "make fuzz" found that reaches something new goes into the corpus; the rest of it out.
fuzz-merge: fuzz-libfuzzer
	tests/fuzz/run merge $(BUILD)/fuzz $(TARGET)

# The corpus once, under sanitizers; needs no clang.
check-corpus:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan-$(notdir $(CC)) CC=$(CC) CFLAGS='-O1 -g -fsanitize=$(FUZZ_SANITIZE)' replay-corpus

replay-corpus: fuzz-programs
	@for target in $(TARGET); do $(BUILD)/tests/fuzz/$$target tests/fuzz/corpus/$$target || exit 1; done

fuzz-coverage:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/coverage CC=clang \
		CFLAGS='-O0 -g -fprofile-instr-generate -fcoverage-mapping' fuzz-programs
	tests/fuzz/coverage $(BUILD)/coverage $(FUZZ_TARGETS)
# --- threads at work on all devices at once, and what uses threads, under the thread sanitizer ------------------------

STRESS := $(BUILD)/tests/stress/threads
$(STRESS): $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/stress/*.c)) $(UNIT_SUPPORT) $(filter-out %/main.o,$(OBJS))
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ -lfdt -luring -lcmocka -ljansson

TIME := 10
# gcc warns that it does not see what a fence orders: it need not, a fence here is between accesses that are atomic.
TSAN_CFLAGS := -O1 -g -fsanitize=thread $(if $(findstring clang,$(CC)),,-Wno-tsan)
# Not traceloss: it has to be faster than the thread that writes.
TSAN_TESTS := balloon blk_flight console_ports disk_flight events input loop net_hostile notify recorder ring rng stats \
	terminal testdev tracefile vsock vsock_floods vsock_flow wakeup
check-tsan:
	$(MAKE) BUILD=$(BUILD)/tsan-$(notdir $(CC)) CC=$(CC) CFLAGS='$(TSAN_CFLAGS)' TIME=$(TIME) check-threads

check-threads: $(STRESS) $(TSAN_TESTS:%=$(BUILD)/tests/unit/test_%)
	CMOCKA_MESSAGE_OUTPUT=TAP prove $(TSAN_TESTS:%=$(BUILD)/tests/unit/test_%)
	$(STRESS) $(TIME)

# --- payload tests: bare-metal guests on the direct /dev/kvm ---------------------------------------------------------

PAYLOAD_CFLAGS := -std=c11 $(WARN) -O1 -g -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
	-mno-red-zone -mgeneral-regs-only
# -n: no file headers in a segment, which would lie below 1 MiB
PAYLOAD_LDFLAGS := -nostdlib -static -no-pie -Wl,-n -Wl,-Ttext=0x100000 -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments
PAYLOAD_SRCS := $(wildcard tests/payload/test_*.c)
PAYLOAD_SUPPORT := $(filter-out $(PAYLOAD_SRCS),$(wildcard tests/payload/*.c tests/payload/*.S))
PAYLOADS := $(PAYLOAD_SRCS:tests/payload/%.c=$(BUILD)/tests/payload/%.elf)

$(PAYLOADS): $(BUILD)/tests/payload/%.elf: tests/payload/%.c $(PAYLOAD_SUPPORT) $(wildcard tests/payload/*.h) Makefile
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -I. $(PAYLOAD_CFLAGS) $(PAYLOAD_LDFLAGS) -o $@ $(PAYLOAD_SUPPORT) $<

$(BUILD)/probe.elf: guest/probe/probe.S Makefile
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PAYLOAD_LDFLAGS) -o $@ $<

payloads: $(PAYLOADS) $(BUILD)/probe.elf

check-payload: $(PROGRAMS) payloads
	prove tests/payload

check-cli: $(PROGRAMS) payloads count-programs $(ITEM_TESTS)
	prove tests/cli

# Spin's model of the ring's notifications: about a minute.
check-model:
	prove --timer tests/model
# Each system call and each allocation fails once.
check-host: $(PROGRAMS) payloads allocations
	prove --timer tests/host

check-linux: $(PROGRAMS) guest
	prove --timer tests/linux

# What "make test" does for some seconds or a few times, for a minute or a hundred times.
test-long: $(PROGRAMS) guest
	MINIVMM_LONG=1 prove --timer tests/linux/mix.t tests/linux/kill.t
	$(MAKE) check-tsan TIME=600
test-long: $(PROGRAMS) guest payloads
test-long: $(PROGRAMS) guest payloads allocations
	MINIVMM_LONG=1 prove --timer tests/linux/mix.t tests/linux/kill.t tests/host

# --- benchmarks: figures of this run, times as ratios that pass or fail nothing; counts of instructions are held to bounds ------------------------------------------

BENCH := $(BUILD)/tests/bench

$(BENCH)/%: tests/bench/%.c Makefile
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE $(CFLAGS_ALL) -static -o $@ $<

$(BENCH)/hello.elf: tests/bench/hello.S Makefile
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PAYLOAD_LDFLAGS) -o $@ $<

# The unit tests' driver and one exit, for callgrind; BUILD=$(UNTRACED) builds it once more without events.
UNTRACED := $(BUILD)/untraced
$(BENCH)/notify: $(BUILD)/obj/tests/bench/notify.o $(UNIT_SUPPORT) $(filter-out %/main.o,$(OBJS))
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka -ljansson

count-programs: $(BENCH)/notify
	@$(MAKE) --no-print-directory BUILD=$(UNTRACED) CPPFLAGS=-DTRACE_NONE $(UNTRACED)/tests/bench/notify

count-notify: count-programs
	tests/bench/notify.sh $(BENCH)/notify $(UNTRACED)/tests/bench/notify

bench: $(PROGRAMS) $(BENCH)/start $(BENCH)/floor $(BENCH)/hello.elf
	$(BENCH)/start ./minivmm $(BENCH)/hello.elf $(BENCH)/floor
	@$(MAKE) --no-print-directory count-notify
	@$(MAKE) --no-print-directory bench-devices

# blk and net beside QEMU's microvm, with Linux's drivers, fio and iperf3: some minutes.
bench-devices: $(PROGRAMS) guest
	tests/bench/devices.sh

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# --- the code's form ---------------------------------------------------------------------------------------------------

# The guest's driver is in the kernel's style, which checkpatch.pl judges in tests/linux.
C_FILES := $(wildcard tests/*.h vmm/*.[ch] vmm/trace/*.[ch] vmm/arch/*.h vmm/arch/x86/*.[ch] devices/*.[ch] devices/virtio/*.[ch] devices/backend/*.[ch] devices/backend/usernet/*.[ch] dtb/*.[ch] tests/*/*.[ch])
CPPCHECK := cppcheck -q --std=c11 -I. --library=gnu --enable=warning,performance,portability --inline-suppr \
	--suppress=missingIncludeSystem --suppress=resourceLeak:tests/bench/floor.c --suppress=memleak:tests/bench/floor.c \
	-DMINIVMM_VERSION='""' -D__x86_64__ --error-exitcode=1

format:
	clang-format -i $(C_FILES)

lint:
	$(CPPCHECK) vmm devices dtb tests/bench
	clang-format --dry-run -Werror $(C_FILES)
	shellcheck -x -P SCRIPTDIR -S warning -e SC2187,SC2054 $(filter-out %.awk %.bt,$(wildcard scripts/*)) tests/*.sh tests/fuzz/run tests/fuzz/coverage $(wildcard tests/*/*.t tests/*/*.sh)

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
	@echo 'make check-host    a host that fails: each system call, each allocation'
	@echo 'make test-long     the slow campaigns'
	@echo 'make bench         figures of this machine, as ratios; alone: make count-notify  the instructions of an exit,'
	@echo '                   make bench-devices  disk and network beside QEMU'
	@echo 'make docs          docs/events.md, from the list of events'
	@echo 'make conformance   docs/conformance.md, from a run of the tests of the standard, here and on QEMU'
	@echo 'make format lint   the form of the code'
	@echo 'make clean         what make built of minivmm itself; "rm -rf build" for the kernels too'
	@echo 'V=1 shows commands; CC=clang works; KVM=direct|box says where guests run'

clean:
	rm -rf $(BUILD)/obj $(BUILD)/asan-* $(BUILD)/fuzz $(BUILD)/coverage $(BUILD)/untraced $(BUILD)/tests $(PROGRAMS)

.PHONY: all run test docs conformance setup guest help lint format clean
.PHONY: check-cli check-linux unit-tests check-unit check-asan payloads check-payload check-sandbox test-long
.PHONY: fuzz fuzz-programs fuzz-libfuzzer fuzz-merge check-corpus replay-corpus fuzz-coverage
.PHONY: bench bench-devices count-programs count-notify
.PHONY: check-model
.PHONY: check-tsan check-threads
.PHONY: check-host
.PHONY: allocations
