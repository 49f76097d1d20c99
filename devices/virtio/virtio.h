/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that a virtio device of minivmm sees: the one header that a file in devices/ includes besides the C library's.
 *
 * A device is one `static const struct virtio_class`, made known by VIRTIO_DEVICE(). The core owns everything that a
 * driver can touch: features, status, the rings, interrupts, the registers of the transport. It calls the device's
 * functions one at a time, under the device's own lock, so a device needs no lock; and it has checked and bounded what
 * they see, so a device meets no guest address and no unchecked length.
 *
 *     static void echo_kick(struct virtio_dev *dev, unsigned q)
 *     {
 *             struct virtio_chain chain;
 *             while (vq_pop(dev, q, &chain) > 0)
 *                     vq_push(dev, q, &chain, 0);
 *     }
 *
 * Nothing here may wait: a call made by a vCPU keeps that vCPU out of the guest, one made by the event loop delays
 * every other device.
 */
#ifndef MINIVMM_VIRTIO_H
#define MINIVMM_VIRTIO_H

#include <linux/virtio_ids.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "devices/virtio/ids.h"
#include "devices/virtio/le.h"
#include "vmm/sandbox/calls.h"

struct virtio_dev; /* the core's; a device has its own struct beside it: virtio_priv() */

/* --- options: `--device NAME,key=value`; parsed, checked and listed by the core ----------------------------------- */

enum option_type {
	OPTION_UINT,     /* uint64_t; decimal or 0x */
	OPTION_POW2,     /* uint64_t, a power of two */
	OPTION_SIZE,     /* uint64_t bytes; written 4096, 64K, 512M, 6G */
	OPTION_DURATION, /* uint64_t nanoseconds; written 250us, 10ms, 5s, 1m */
	OPTION_BOOL,     /* bool; on or off */
	OPTION_FEATURE,  /* bool; on offers the feature of bit number `min` */
	OPTION_ENUM,     /* unsigned: index into `names` */
	OPTION_STRING,   /* char *, the core's until destroy() returned; NULL where it was not given */
	OPTION_LIST,     /* struct option_list: a string each time that the key is given */
};

#define OPTION_LIST_MAX 16u
struct option_list {
	char *items[OPTION_LIST_MAX]; /* the core's, as above */
	unsigned n;
};

struct option_desc {
	const char *name;
	enum option_type type;
	size_t offset;            /* of the field in the device's struct, which is as wide as the type says */
	const char *fallback;     /* the default, written as the user would; shown in the help */
	uint64_t min, max;        /* bounds, inclusive; of a number, a size in bytes or a duration in ns; a string
				     with min 1 must be given */
	const char *const *names; /* OPTION_ENUM: the words, NULL at the end */
	const char *help;
};

/* --- what a device tells of itself: fields of its own struct, listed by name -------------------------------------- */

/* A uint64_t that counts what was done, for --stats. The core reads it under the lock and never writes it. */
struct counter_desc {
	const char *name; /* a word or two with dashes; NULL at the end of the list */
	size_t offset;
	const char *help;
	const char *const
		*names; /* of an array's counts, n_names of them; `name` is then what they are called together */
	unsigned n_names;
};
#define COUNTER(name, offset, help)         \
	{                                   \
		name, offset, help, NULL, 0 \
	}
#define COUNTERS(name, offset, help, names)                                   \
	{                                                                     \
		name, offset, help, names, sizeof(names) / sizeof((names)[0]) \
	}

/* Bytes that a snapshot must carry, beyond what the core knows (features, rings, configuration space). */
struct state_desc {
	const char *name; /* NULL at the end of the list */
	size_t offset, size;
};
#define STATE(type, field)                                                \
	{                                                                 \
#field, offsetof(type, field), sizeof(((type *)0)->field) \
	}

/* A driver that accepts any of these features accepts one of those: else it is refused at FEATURES_OK (virtio 1.2,
 * 2.2.1). */
struct feature_need {
	uint64_t any_of; /* 0 at the end of the list */
	uint64_t one_of;
};
#define FEATURE(bit) (1ull << (bit))

/* --- the contract ------------------------------------------------------------------------------------------------- */

struct virtio_class {
	const char *name;     /* --device NAME; also its place in messages, with a number */
	const char *help;     /* one line for --device help */
	uint16_t id;          /* device type, virtio 1.2, 5 */
	uint16_t n_queues;    /* at most VIRTIO_QUEUES_MAX; virtio_set_queues() where it depends on options */
	uint16_t queue_size;  /* entries of each queue, unless queue-size= says otherwise: a power of two up to 32768 */
	uint16_t config_size; /* bytes of configuration space */
	bool single;          /* at most one on a command line */
	bool on_loop;         /* kick() is the loop's alone, also for notify=exit; in place of ready() each queue is
				 kicked */
	uint64_t features;    /* device-type bits that it offers, by bit number; the core adds the ring's and the
				 transport's; virtio_offer() where it depends on options */
	const struct feature_need *needs;  /* or NULL */
	size_t priv_size;                  /* bytes of the device's own struct; zeroed, then the options are put in */
	size_t chain_size;                 /* bytes of its own that go with each chain that is out: virtio_chain.priv */
	uint16_t chains;                   /* of a queue that it keeps at a time, at most; vq_pop() gives no more. 0: as
					      many as there are. Memory is taken for so many */
	const struct option_desc *options; /* name NULL at the end; or NULL: as the two below */
	const struct counter_desc *counters; /* in the device's struct */
	const struct state_desc *state;
	/* What a Linux guest's driver is built by, "CONFIG_VIRTIO_BLK"; NULL where Linux has none. And the driver's
	 * module without its ".ko", unless that is the option's name in small letters; NULL where there is no driver at
	 * all. */
	const char *linux_option, *linux_module;
	const char
		*keys; /* of Ctrl-A and a key on the terminal: "+- more, less", the keys up to the space; with key() */

	/* Everything below may be NULL. Errors are 0 or -errno; -errno wants a message by then: virtio_error(). */
	int (*create)(struct virtio_dev *dev);
	/* The driver has made buffers available in queue q. Called only between DRIVER_OK and reset. */
	void (*kick)(struct virtio_dev *dev, unsigned q);
	/* The driver writes `len` bytes at `off`, inside config_size; the device stores of them what a driver may set.
	 */
	void (*config_write)(struct virtio_dev *dev, size_t off, size_t len, const void *bytes);
	/* The driver reset the device: chains that were popped are gone, nothing may be pushed for them. Whoever still
	 * writes to one (a disk) is waited for here: the memory is the driver's again when this returns. */
	void (*reset)(struct virtio_dev *dev);
	/* The driver stopped or reset queue q alone (virtio 1.2, 2.6.1, 4.2.2.2); the same for its chains. NULL where
	 * the device holds none. */
	void (*queue_reset)(struct virtio_dev *dev, unsigned q);
	/* Features are agreed on and the driver is up: DRIVER_OK was set. */
	void (*ready)(struct virtio_dev *dev);
	/* The user typed Ctrl-A and one of `keys`. */
	void (*key)(struct virtio_dev *dev, char key);
	/* Undoes create(), also one that failed half-way. */
	void (*destroy)(struct virtio_dev *dev);
};

/*
 * In create() alone: system calls, up to ALLOW_END, that the device makes once the guest runs, beyond those of every
 * machine (vmm/sandbox/rules.c); any other ends minivmm. A vCPU's thread has few: what needs more is the loop's work.
 */
void virtio_allow(struct virtio_dev *dev, const struct call_rule *rules);
/* In create() alone: destroy() removes the socket of that name. 0 or -errno, with a message. */
int virtio_allow_remove(struct virtio_dev *dev, const char *path);
/* For a backend with threads of its own (vmm/thread.h). */
struct sandbox *virtio_sandbox(const struct virtio_dev *dev);

#define VIRTIO_QUEUES_MAX 18 /* eight pairs and two */

/* Registers a class with the core, from any file that is linked in: nothing else needs to know of it. */
#define VIRTIO_DEVICE(class_)                                          \
	static const struct virtio_class *const virtio_device_##class_ \
		__attribute__((used, section("virtio_classes"), aligned(sizeof(void *)))) = &(class_)

/* The device's own struct of priv_size bytes; lives as long as the device. */
void *virtio_priv(struct virtio_dev *dev);
/* The configuration space, config_size bytes of little-endian fields; changed under the lock, then announced. */
void *virtio_config(struct virtio_dev *dev);
/* "NAME0", "NAME1", ...: the device's place on the command line, the same in every run. */
const char *virtio_name(const struct virtio_dev *dev);
/* A device-type feature, by bit number, that driver and device agreed on (virtio 1.2, 2.2). */
bool virtio_has_feature(const struct virtio_dev *dev, unsigned bit);
/* True from DRIVER_OK until reset or failure (virtio 1.2, 2.1). */
bool virtio_driver_ok(const struct virtio_dev *dev);

/* In create() alone: what is offered beside the class's features, FEATURE(...) | ...; how many queues there are; and a
 * size of its own for one of them, which queue-size= does not change. */
void virtio_offer(struct virtio_dev *dev, uint64_t features);
void virtio_set_queues(struct virtio_dev *dev, unsigned n);
void virtio_set_queue_size(struct virtio_dev *dev, unsigned q, uint16_t size);
/* The most entries that queue q can have. */
unsigned virtio_queue_size(const struct virtio_dev *dev, unsigned q);

/*
 * The configuration space changed: a new generation (virtio 1.2, 4.2.2.1), and a configuration change notification
 * where the driver is up.
 */
void virtio_config_changed(struct virtio_dev *dev);

/*
 * The driver broke a rule that the device cannot work around: names the rule (and clause) in the log, sets
 * DEVICE_NEEDS_RESET (virtio 1.2, 2.1.2), and ends all ring work until the driver resets the device.
 */
void virtio_fail(struct virtio_dev *dev, const char *rule, ...) __attribute__((format(printf, 2, 3)));

/* A line of the device on standard output, "virtio-NAME: ...". What a guest can cause may be dropped when it floods. */
void virtio_print(struct virtio_dev *dev, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A message to the user while the device is created: "--device NAME: ..." on standard error. */
void virtio_error(struct virtio_dev *dev, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A message to the user while the machine runs: a backend failed and the guest was told so. Dropped when it floods. */
void virtio_warn(struct virtio_dev *dev, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- guest memory that the driver names by address: the balloon's pages alone ------------------------------------- */

#define VIRTIO_PAGE 4096u

/* Gives guest memory back to the host; it reads as zeros from then on. Only whole pages of the host in it. False where
 * a byte of it is no RAM; then nothing is done. */
bool virtio_discard_gpa(struct virtio_dev *dev, uint64_t gpa, uint64_t len);
/* The same of memory that a chain names; returns the bytes given back. */
uint64_t virtio_discard_iov(struct virtio_dev *dev, const struct iovec *iov);
/* Bytes of guest RAM. */
uint64_t virtio_ram_size(const struct virtio_dev *dev);

/* --- timers ------------------------------------------------------------------------------------------------------- */

/* Called under the device's lock. Expirations that the host was too late for are not made up: one call stands for all.
 */
typedef void virtio_timer_fn(struct virtio_dev *dev);

/* One timer a device, from create() on: first after `first_ns`, then each `period_ns` (0: once). */
void virtio_timer(struct virtio_dev *dev, uint64_t first_ns, uint64_t period_ns, virtio_timer_fn *fn);

/* --- descriptors of the host's, watched by the event loop --------------------------------------------------------- */

struct virtio_watch;
/* Called under the device's lock; `events` as in epoll_ctl(2). */
typedef void virtio_fd_fn(struct virtio_dev *dev, void *ctx, uint32_t events);

/*
 * In create() alone: has the loop watch `fd`, which stays the device's and must be open until destroy(). The watch ends
 * by itself before destroy(). 0 and *watch (which may be NULL), or -errno with a message. Where descriptors come and
 * go, watch an epoll set of your own.
 */
int virtio_watch(struct virtio_dev *dev, int fd, uint32_t events, virtio_fd_fn *fn, void *ctx,
		 struct virtio_watch **watch);
/* Other events; 0 mutes it. */
void virtio_watch_events(struct virtio_watch *watch, uint32_t events);

/* --- the terminal: minivmm's standard input and output -------------------------------------------------------------
 */

/* Each is called under the device's lock, on the loop's thread, and all are there. */
struct virtio_terminal {
	void (*input)(struct virtio_dev *dev);   /* some waits: take it with virtio_terminal_read() */
	void (*room)(struct virtio_dev *dev);    /* virtio_terminal_write() takes bytes again, after it took too few */
	void (*resized)(struct virtio_dev *dev); /* virtio_terminal_size() may have changed */
};

/* In create() alone: the device is a console of the terminal's, beside the serial port. 0, or -EBUSY with a message
 * where another device is it. The claim ends by itself before destroy(). What follows is for whoever has it. */
int virtio_terminal_claim(struct virtio_dev *dev, const struct virtio_terminal *terminal);
/* Whether what the user types comes here, with what waits, or to the
 * serial port, as at first. */
void virtio_terminal_listen(struct virtio_dev *dev, bool here);
/* Takes up to `len` bytes of input; 0 where none waits or it does not come here. */
size_t virtio_terminal_read(struct virtio_dev *dev, void *bytes, size_t len);
/* Shows up to `len` bytes, of which it takes what there is room for, and returns how many; where that is less, room()
 * follows. Lines of virtio_print() do not tear these. */
size_t virtio_terminal_write(struct virtio_dev *dev, const void *bytes, size_t len);
/* Columns and rows; false, and 0, where there is no terminal that knows. */
bool virtio_terminal_size(struct virtio_dev *dev, uint16_t *cols, uint16_t *rows);

/* --- queues ------------------------------------------------------------------------------------------------------- */

/*
 * A buffer that the driver made available: first what the device may read, then what it may write (virtio 1.2,
 * 2.7.4.2), as memory of this process. The driver can change the bytes at any time: read each once. The iovecs are
 * valid until the chain is pushed or reset; a device that keeps it keeps a copy of this struct.
 */
struct virtio_chain {
	uint16_t head;                /* names the buffer to the driver */
	uint32_t session;             /* of the queue: a reset begins a new one, and what was popped before is void */
	const struct iovec *readable; /* n_readable of them, readable_len bytes in all */
	const struct iovec *writable; /* likewise */
	unsigned n_readable, n_writable;
	uint64_t readable_len, writable_len;
	void *priv; /* the device's, chain_size bytes, not initialized; valid as long as the iovecs */
	/* where chain_read() and chain_write() go on */
	unsigned read_at, write_at;
	size_t read_off, write_off;
};

/*
 * The next buffer of queue q. 1 with *chain filled, 0 where there is none now. One call of the device gets no more
 * than the queue has entries, nor than 256; then 0, and the core kicks again soon: no driver can hold a thread.
 */
int vq_pop(struct virtio_dev *dev, unsigned q, struct virtio_chain *chain);
/* For a device that stops before the ring is empty, as its work takes long: the core kicks queue q again soon, once
 * others had their turn. */
void vq_again(struct virtio_dev *dev, unsigned q);
/* Gives the buffer back with `len` bytes written, from the first writable one on (virtio 1.2, 2.7.8.2). */
void vq_push(struct virtio_dev *dev, unsigned q, const struct virtio_chain *chain, uint32_t len);
/* The same for n buffers that the driver must not see one by one. */
void vq_push_all(struct virtio_dev *dev, unsigned q, const struct virtio_chain *chains, const uint32_t *lens,
		 unsigned n);

/* Copies the next up to `len` bytes of the readable part, across its iovecs; returns how many there were. */
size_t chain_read(struct virtio_chain *chain, void *to, size_t len);
/* Passes over them without looking at them. */
size_t chain_skip(struct virtio_chain *chain, size_t len);
/* The same as chain_read() into the writable part. */
size_t chain_write(struct virtio_chain *chain, const void *from, size_t len);
/* What chain_read() or chain_write() has left, as *n iovecs for readv(2) and its kind; they have nothing left then. */
const struct iovec *chain_rest_readable(struct virtio_chain *chain, unsigned *n);
const struct iovec *chain_rest_writable(struct virtio_chain *chain, unsigned *n);
/* Cuts off the last writable byte, where several devices put a status, and returns it; NULL where there is none. Before
 * any chain_write(). vq_push() still counts it. */
uint8_t *chain_cut_status(struct virtio_chain *chain);

#endif
