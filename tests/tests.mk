# SPDX-License-Identifier: GPL-2.0-only
# What tests and benchmarks are built of, and the targets that run some of them; a part of the Makefile above.

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

# minivmm itself under them, and the user network beside it, where it is looked for.
WITH_ASAN = MINIVMM_ASAN=$(abspath $(ASAN_BUILD)/minivmm)
sanitized-minivmm: minivmm-usernet
	@$(ASAN_MAKE) --no-print-directory $(ASAN_BUILD)/minivmm
	@ln -sf $(abspath minivmm-usernet) $(ASAN_BUILD)/minivmm-usernet

# minivmm under sanitizers, with allocations that fail: tests/host/allocations.c. Not position-independent: it tells
# where an allocation failed.
$(BUILD)/tests/host/minivmm: $(BUILD)/obj/tests/host/allocations.o $(OBJS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -no-pie -o $@ $^ $(LIBS)

allocations: minivmm-usernet
	@$(ASAN_MAKE) --no-print-directory $(ASAN_BUILD)/tests/host/minivmm
	@mkdir -p $(BUILD)/tests/host
	@cp $(ASAN_BUILD)/tests/host/minivmm $(BUILD)/tests/host/minivmm-allocations
	@cp minivmm-usernet $(BUILD)/tests/host/

# --- what a thread that was taken over can do ---------------------------------------------------------------------------

INJECT := $(BUILD)/tests/sandbox/inject
$(INJECT): tests/sandbox/inject.c Makefile
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE $(CFLAGS_ALL) -o $@ $<

check-sandbox: $(PROGRAMS) payloads $(INJECT)
	prove tests/sandbox

# Which of the sandbox's rules the tests need: under strace, which is slow, so that some fail by their time. The judgement
# is the last line's.
sandbox-rules: $(PROGRAMS) payloads guest $(INJECT)
	rm -rf $(BUILD)/sandbox-record
	-MINIVMM=$(CURDIR)/tests/sandbox/record prove --timer tests/sandbox tests/payload tests/cli tests/linux
	tests/sandbox/rules $(BUILD)/sandbox-record

# --- fuzzing: docs/fuzzing.md ------------------------------------------------------------------------------------------

FUZZ_TARGETS := device kernel facts tree options
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

# TIME seconds (60) for each target, or for the one of TARGET=. What is found stays in build/fuzz/TARGET/findings.
TARGET := $(FUZZ_TARGETS)
fuzz: fuzz-libfuzzer
	tests/fuzz/run $(BUILD)/fuzz $(or $(TIME),60) $(TARGET)

fuzz-libfuzzer:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang FUZZ_RUNNER=-fsanitize=fuzzer \
		CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZE)' fuzz-programs

# What "make fuzz" found that reaches something new goes into the corpus; the rest of it out.
fuzz-merge: fuzz-libfuzzer
	tests/fuzz/run merge $(BUILD)/fuzz $(TARGET)

# The corpus once, under sanitizers; needs no clang.
check-corpus:
	@$(ASAN_MAKE) --no-print-directory replay-corpus

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
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka -ljansson

# gcc warns that it does not see what a fence orders: it need not, a fence here is between accesses that are atomic.
TSAN_CFLAGS := -O1 -g -fsanitize=thread $(if $(findstring clang,$(CC)),,-Wno-tsan)
# Not traceloss: it has to be faster than the thread that writes.
TSAN_TESTS := balloon blk_flight console_ports disk_flight events input loop net_hostile notify recorder ring rng stats \
	terminal testdev tracefile vsock vsock_floods vsock_flow wakeup
check-tsan:
	$(MAKE) BUILD=$(BUILD)/tsan-$(notdir $(CC)) CC=$(CC) CFLAGS='$(TSAN_CFLAGS)' check-threads

check-threads: $(STRESS) $(TSAN_TESTS:%=$(BUILD)/tests/unit/test_%)
	CMOCKA_MESSAGE_OUTPUT=TAP prove $(TSAN_TESTS:%=$(BUILD)/tests/unit/test_%)
	$(STRESS) $(or $(TIME),10)

# --- bounds: what a guest can have this process do, counted ---------------------------------------------------------

# tests/bounds/test_NAME.c, with NAME.c where there is one. Not under sanitizers: these have their own ways to count.
BOUNDS_SRCS := $(wildcard tests/bounds/test_*.c)
BOUNDS_TESTS := $(BOUNDS_SRCS:tests/bounds/%.c=$(BUILD)/tests/bounds/%)
BOUNDS_LINK = $(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(LDFLAGS) $(1) -o $@ $^ $(LIBS) -lcmocka -ljansson

# The devices once more, with a call for each load from memory: tests/bounds/loads.h. Copies are calls by names of ours.
LOADS_OBJS := $(patsubst %.c,$(BUILD)/obj/loads/%.o,$(filter devices/%,$(SRCS)))
$(BUILD)/obj/loads/%.o: %.c Makefile
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fsanitize=thread -fno-builtin -Wno-unknown-warning-option -Wno-tsan -MMD -MP -c -o $@ $<
	$(Q)objcopy $(foreach f,memcpy memmove memcmp,--redefine-sym $(f)=loads_$(f)) $@

$(BUILD)/tests/bounds/test_fetch: $(addprefix $(BUILD)/obj/tests/bounds/,test_fetch.o loads.o) $(UNIT_SUPPORT) $(LOADS_OBJS) \
		$(filter-out %/main.o $(BUILD)/obj/devices/%,$(OBJS))
	$(call say,LD,$@)
	$(call BOUNDS_LINK,-Wl$(comma)--wrap=vq_pop -Wl$(comma)--wrap=virtq_notify)

# -rdynamic: names in what alloc_tell() says.
$(BUILD)/tests/bounds/test_alloc: $(addprefix $(BUILD)/obj/tests/bounds/,test_alloc.o alloc.o storm.o) $(UNIT_SUPPORT) $(filter-out %/main.o,$(OBJS))
	$(call say,LD,$@)
	$(call BOUNDS_LINK,-rdynamic)

$(BUILD)/tests/bounds/test_work $(BUILD)/tests/bounds/test_lines: $(BUILD)/tests/bounds/%: $(BUILD)/obj/tests/bounds/%.o $(UNIT_SUPPORT) $(filter-out %/main.o,$(OBJS))
	$(call say,LD,$@)
	$(call BOUNDS_LINK,$(addprefix -Wl$(comma)--wrap=,$(BOUNDS_WRAP_$*)))
BOUNDS_WRAP_test_work := chain_read chain_write mem_discard getrandom writev send connect terminal_try_write terminal_line virtq_walk
BOUNDS_WRAP_test_lines := clock_gettime

bounds-tests: $(BOUNDS_TESTS)

check-bounds: bounds-tests
	CMOCKA_MESSAGE_OUTPUT=TAP prove $(BOUNDS_TESTS)

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

check-payload: $(PROGRAMS) payloads sanitized-minivmm
	$(WITH_ASAN) prove tests/payload

# Drivers that break the rules, every way: bare-metal guests of minivmm and of minivmm under sanitizers; the unit tests
# under sanitizers, and under memcheck, which sees what was never written.
HOSTILE_TESTS := $(filter %hostile %hostile_all %hostile_own %hostile_more %vsock_floods %test_rng %test_bzimage %test_bzrandom %test_boot %test_dtb,$(UNIT_TESTS))
# Not those that bound the process's descriptors or map 100 GiB, which memcheck cannot; nor what takes it a minute.
MEMCHECK_TESTS := $(filter-out %vsock_floods %test_dtb %test_bzrandom,$(HOSTILE_TESTS))

check-hostile: $(PROGRAMS) payloads sanitized-minivmm
	$(WITH_ASAN) prove --timer tests/payload/hostile.t tests/payload/hostile-asan.t
	@$(ASAN_MAKE) --no-print-directory check-hostile-unit
	@$(MAKE) --no-print-directory check-valgrind

check-hostile-unit: $(HOSTILE_TESTS)
	CMOCKA_MESSAGE_OUTPUT=TAP prove --timer $(HOSTILE_TESTS)

check-valgrind: $(MEMCHECK_TESTS)
	CMOCKA_MESSAGE_OUTPUT=TAP prove --timer --exec 'valgrind -q --error-exitcode=99 --fair-sched=yes' $(MEMCHECK_TESTS)

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

# What "make test" does for some seconds or a few times, for minutes or a hundred times.
test-long: $(PROGRAMS) guest payloads allocations
	MINIVMM_LONG=1 prove --timer tests/linux/mix.t tests/linux/kill.t tests/host tests/payload/hostile.t tests/payload/soak.t
	$(MAKE) check-tsan TIME=600

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
	@$(MAKE) --no-print-directory bench-boot

# blk and net beside QEMU's microvm, with Linux's drivers, fio and iperf3: some minutes.
bench-devices: $(PROGRAMS) guest
	tests/bench/devices.sh

# From KVM_RUN to init beside QEMU's microvm, our kernel and Debian's: some minutes.
bench-boot: $(PROGRAMS) guest
	tests/bench/boot.sh

.PHONY: check-cli check-linux unit-tests check-unit check-asan payloads check-payload check-sandbox sandbox-rules test-long fuzz
.PHONY: fuzz-programs fuzz-libfuzzer fuzz-merge check-corpus replay-corpus fuzz-coverage bench bench-devices bench-boot
.PHONY: count-programs count-notify check-model check-tsan check-threads check-host allocations
.PHONY: check-hostile check-hostile-unit check-valgrind sanitized-minivmm
.PHONY: bounds-tests check-bounds
