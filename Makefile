# SPDX-License-Identifier: GPL-2.0-only
# make run and make test are all that a newcomer needs; "make help" lists the rest.

VERSION := 0.1.0
BUILD := build
CFLAGS ?= -O2 -g
CC ?= gcc

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Werror
CPPFLAGS_ALL := -I. -D_GNU_SOURCE -DMINIVMM_VERSION='"$(VERSION)"'
CFLAGS_ALL := -std=c11 $(WARN) -pthread -fno-common $(CFLAGS)
# Static: it starts in a fraction of the time, and runs in any root file system.
LDFLAGS_ALL := -static -pthread $(LDFLAGS)

SRCS := $(wildcard vmm/*.c vmm/arch/x86/*.c devices/*.c devices/virtio/*.c devices/backend/*.c dtb/*.c)
OBJS := $(SRCS:%.c=$(BUILD)/obj/%.o)

all: minivmm

minivmm: $(OBJS)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ -lfdt

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

-include $(OBJS:.o=.d)

clean:
	rm -rf $(BUILD)/obj minivmm

.PHONY: all clean
