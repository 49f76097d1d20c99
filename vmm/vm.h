/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine: guest RAM, buses, interrupt lines, event loop, terminal, vCPUs and the devices that were added to it.
 *
 * It is built in two steps, so that everything a user can get wrong is found, and the device tree can be written,
 * without /dev/kvm: vm_create() makes the machine in plain memory, vm_attach() hands it to KVM, vm_run() runs it.
 */
#ifndef MINIVMM_VM_H
#define MINIVMM_VM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/kernel/discovery.h"
#include "vmm/memory.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/trace.h"

#define VM_CPUS_MAX       16
#define VM_DEVICES_MAX    32
#define VM_IOEVENTFDS_MAX 256

struct aml;
struct counts;
struct dtb;
struct loop;
struct observer;
struct sandbox;
struct terminal;
struct text;
struct vcpu;

/* How the kernel is entered. */
enum boot_path {
	BOOT_AUTO,    /* whichever the file is made for */
	BOOT_BZIMAGE, /* a bzImage by its 64-bit entry */
	BOOT_ELF,     /* an ELF vmlinux by its 64-bit entry */
	BOOT_PVH,     /* an ELF vmlinux by its PVH note */
};

/* What the command line asks for; see options.h. Borrowed by the machine for as long as it lives. */
struct vm_config {
	const char *kernel; /* file name, or NULL: only with dump_dtb */
	enum boot_path boot;
	const char *initrd;  /* file name or NULL */
	const char *cmdline; /* the kernel's command line, whole */
	uint64_t mem_size;   /* bytes */
	unsigned cpus;       /* 1 to VM_CPUS_MAX */
	enum discovery discovery;
	/* what is to be seen: observe.h */
	bool stats;             /* the table, on standard error */
	const char *stats_file; /* JSON; or NULL */
	uint64_t stats_interval_ns;
	const char *traces[TRACE_FILES_MAX]; /* "FILE[,format=NAME]" */
	unsigned n_traces, trace_data;       /* bytes of a chain */
	bool no_recorder;
	uint64_t timeout_ns; /* 0: none */
	enum sandbox_mode sandbox;
	const char *dump_map;     /* file name, "-", or NULL */
	const char *dump_dtb;     /* file name, "-", or NULL */
	const char *dump_acpi;    /* directory, or NULL */
	const char *dump_sandbox; /* file name, "-", or NULL */
	char **devices;           /* "NAME,key=value,..." each, in the order of the command line */
	unsigned n_devices;
};

/* Why a run ended; also minivmm's exit status. A signal ends it with 128 + its number. */
enum vm_end {
	VM_END_OK = 0,      /* the guest powered off or rebooted, or the user quit */
	VM_END_ERROR = 1,   /* minivmm or the host failed */
	VM_END_USAGE = 2,   /* the command line is wrong */
	VM_END_PANIC = 3,   /* the guest's kernel panicked */
	VM_END_CRASH = 4,   /* a vCPU cannot go on: triple fault, emulation failure, unknown exit */
	VM_END_TIMEOUT = 5, /* --timeout is over */
};

/* What the machine asks of a device that was added to it. */
struct vm_device_ops {
	/*
	 * How a guest finds the device, by each way of discovery; NULL where it cannot, or knows the place anyway: adds
	 * its node to the tree, its objects to \_SB, its parameter with a space before it to the kernel's command line.
	 * Errors stick to what is added to.
	 */
	void (*describe_dt)(void *ctx, struct dtb *tree);
	void (*describe_acpi)(void *ctx, struct aml *aml);
	void (*describe_cmdline)(void *ctx, struct text *words);
	/* Appends how the device stands, in lines for people; with `name`, only where the device is called so. NULL
	 * where there is nothing to tell. Any thread. */
	void (*report)(void *ctx, const char *name, struct text *out);
	/* Adds what the device counted, or NULL. Any thread. */
	void (*count)(void *ctx, struct counts *counts);
	/* The user typed Ctrl-A and `key`, in lower case; `?`: which keys there are is to be told, a line on the
	 * terminal. NULL where the device has none. On the loop's thread. */
	void (*key)(void *ctx, char key);
	void (*destroy)(void *ctx); /* never NULL */
};

struct vm_device {
	const struct vm_device_ops *ops;
	void *ctx;
};

/* A guest store that KVM turns into an eventfd write, without an exit to us. */
struct vm_ioeventfd {
	uint64_t gpa;
	uint32_t len; /* bytes */
	uint64_t datamatch;
	int fd; /* owned by whoever added it */
};

/* Filled by arch_load(). */
struct vm_boot {
	enum boot_path path;              /* as it was done: never BOOT_AUTO */
	uint64_t entry;                   /* gpa where the first vCPU starts */
	uint64_t initrd_gpa, initrd_size; /* size 0: no initrd */
};

struct vm {
	const struct vm_config *config;
	enum discovery discovery; /* never AUTO; before devices are added */
	char *cmdline;            /* the kernel's command line, NULL before vm_describe_cmdline() */
	struct memory memory;
	struct bus mmio, pio;
	struct irqs irqs;
	struct loop *loop; /* of a thread of its own */
	pthread_t loop_thread;
	bool loop_started;
	pthread_mutex_t gate;    /* held until every thread is confined: no guest runs before */
	struct sandbox *sandbox; /* or NULL */
	struct terminal *terminal;
	struct trace trace;
	struct observer *observer; /* while vm_run() runs */
	struct vm_boot boot;
	struct vm_device devices[VM_DEVICES_MAX];
	unsigned n_devices;
	struct vm_ioeventfd ioeventfds[VM_IOEVENTFDS_MAX];
	unsigned n_ioeventfds;
	uint64_t next_mmio; /* gpa of the next device window */
	int kvm_fd, fd;     /* -1 until vm_attach() */
	struct vcpu *vcpus; /* config->cpus of them, once attached */
	atomic_int stopping;
	atomic_int status; /* enum vm_end or 128 + signal; the first reason wins */
};

/* The machine without KVM. 0 and *vm, or -errno with a message. */
int vm_create(struct vm **vm, const struct vm_config *config);
/* Opens /dev/kvm, checks what it offers, and gives it memory, interrupt controllers, lines and vCPUs. 0 or -errno. */
int vm_attach(struct vm *vm);
/* Runs the guest until somebody calls vm_stop(). Returns the exit status. */
int vm_run(struct vm *vm);
/* Destroys the devices in reverse order, then everything else. NULL is ignored. */
void vm_destroy(struct vm *vm);

/* Waits until every thread is confined. On a thread that vm_run() starts, first of all. */
void vm_pass_gate(struct vm *vm);

/* Ends the run with `status`; the first call decides. Any thread. */
void vm_stop(struct vm *vm, int status);

/* For devices while the machine is built. 0 or -errno; a message where the user has to act. */
int vm_add_device(struct vm *vm, const struct vm_device_ops *ops, void *ctx);
int vm_add_ioeventfd(struct vm *vm, const struct vm_ioeventfd *ioeventfd);
/*
 * Makes vm->cmdline of what the user wrote and, for DISCOVERY_CMDLINE, of what the devices add. Before arch_load(). 0
 * or -ENOMEM, with a message.
 */
int vm_describe_cmdline(struct vm *vm);
/* A free window of `len` bytes (rounded up to a page) for a device's registers. 0 and *gpa, or -ENOSPC. */
int vm_alloc_mmio(struct vm *vm, uint64_t len, uint64_t *gpa);

#endif
