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

struct virtio_dev; /* the core's; a device has its own struct beside it: virtio_priv() */

/* --- options: `--device NAME,key=value`; parsed, checked and listed by the core ----------------------------------- */

enum option_type {
	OPTION_UINT,     /* uint64_t; decimal or 0x */
	OPTION_POW2,     /* uint64_t, a power of two */
	OPTION_DURATION, /* uint64_t nanoseconds; written 250us, 10ms, 5s, 1m */
	OPTION_BOOL,     /* bool; on or off */
	OPTION_ENUM,     /* unsigned: index into `names` */
};

struct option_desc {
	const char *name;
	enum option_type type;
	size_t offset;            /* of the field in the device's struct, which is as wide as the type says */
	const char *fallback;     /* the default, written as the user would; shown in the help */
	uint64_t min, max;        /* bounds, inclusive; of a number or a duration in ns */
	const char *const *names; /* OPTION_ENUM: the words, NULL at the end */
	const char *help;
};

/* --- the contract ------------------------------------------------------------------------------------------------- */

struct virtio_class {
	const char *name;     /* --device NAME; also its place in messages, with a number */
	const char *help;     /* one line for --device help */
	uint16_t id;          /* device type, virtio 1.2, 5 */
	uint16_t n_queues;    /* at most VIRTIO_QUEUES_MAX */
	uint16_t queue_size;  /* entries of each queue, unless queue-size= says otherwise: a power of two up to 32768 */
	uint16_t config_size; /* bytes of configuration space */
	bool single;          /* at most one on a command line */
	uint64_t features;    /* device-type bits that it offers, by bit number; the core adds the ring's and the
				 transport's */
	size_t priv_size;     /* bytes of the device's own struct; zeroed, then the options are put in */
	const struct option_desc *options; /* name NULL at the end; or NULL */

	/* Everything below may be NULL. Errors are 0 or -errno; -errno wants a message by then: virtio_error(). */
	int (*create)(struct virtio_dev *dev);
	/* The driver has made buffers available in queue q. Called only between DRIVER_OK and reset. */
	void (*kick)(struct virtio_dev *dev, unsigned q);
	/* The driver writes `len` bytes at `off`, inside config_size; the device stores of them what a driver may set.
	 */
	void (*config_write)(struct virtio_dev *dev, size_t off, size_t len, const void *bytes);
	/* The driver reset the device: chains that were popped are gone, nothing may be pushed for them. */
	void (*reset)(struct virtio_dev *dev);
	/* Undoes create(), where that succeeded. */
	void (*destroy)(struct virtio_dev *dev);
};

#define VIRTIO_QUEUES_MAX 8

/* Registers a class with the core, from any file that is linked in: nothing else needs to know of it. */
#define VIRTIO_DEVICE(class_)                                          \
	static const struct virtio_class *const virtio_device_##class_ \
		__attribute__((used, section("virtio_classes"), aligned(sizeof(void *)))) = &(class_)

/* The device's own struct of priv_size bytes; lives as long as the device. */
void *virtio_priv(struct virtio_dev *dev);
/* The configuration space, config_size bytes of little-endian fields; changed under the lock, then announced. */
void *virtio_config(struct virtio_dev *dev);
/* A device-type feature, by bit number, that driver and device agreed on (virtio 1.2, 2.2). */
bool virtio_has_feature(const struct virtio_dev *dev, unsigned bit);
/* True from DRIVER_OK until reset or failure (virtio 1.2, 2.1). */
bool virtio_driver_ok(const struct virtio_dev *dev);

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

/* --- timers ------------------------------------------------------------------------------------------------------- */

/* Called under the device's lock. Expirations that the host was too late for are not made up: one call stands for all.
 */
typedef void virtio_timer_fn(struct virtio_dev *dev);

/* One timer a device, from create() on: first after `first_ns`, then each `period_ns` (0: once). */
void virtio_timer(struct virtio_dev *dev, uint64_t first_ns, uint64_t period_ns, virtio_timer_fn *fn);

/* --- queues ------------------------------------------------------------------------------------------------------- */

/*
 * A buffer that the driver made available: first what the device may read, then what it may write (virtio 1.2,
 * 2.7.4.2), as memory of this process. The driver can change the bytes at any time: read each once. The iovecs are
 * valid until the next vq_pop() of the same queue.
 */
struct virtio_chain {
	uint16_t head;                /* names the buffer to the driver */
	uint32_t session;             /* of the queue: a reset begins a new one, and what was popped before is void */
	const struct iovec *readable; /* n_readable of them, readable_len bytes in all */
	const struct iovec *writable; /* likewise */
	unsigned n_readable, n_writable;
	uint64_t readable_len, writable_len;
	/* where chain_read() and chain_write() go on */
	unsigned read_at, write_at;
	size_t read_off, write_off;
};

/*
 * The next buffer of queue q. 1 with *chain filled, 0 where there is none now. One call of the device gets no more
 * than the queue has entries, nor than 256; then 0, and the core kicks again soon: no driver can hold a thread.
 */
int vq_pop(struct virtio_dev *dev, unsigned q, struct virtio_chain *chain);
/* Gives the buffer back with `len` bytes written, from the first writable one on (virtio 1.2, 2.7.8.2). */
void vq_push(struct virtio_dev *dev, unsigned q, const struct virtio_chain *chain, uint32_t len);

/* Copies the next up to `len` bytes of the readable part, across its iovecs; returns how many there were. */
size_t chain_read(struct virtio_chain *chain, void *to, size_t len);
/* The same into the writable part. */
size_t chain_write(struct virtio_chain *chain, const void *from, size_t len);

#endif
