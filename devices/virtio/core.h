/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The inside of a virtio device: what the core's files and a transport share. A device's own file never includes this.
 *
 * `lock` guards everything below it. A transport takes it around each register access, the event loop around each
 * callback; so the device's functions run one at a time, and a reset waits for no thread.
 */
#ifndef MINIVMM_VIRTIO_CORE_H
#define MINIVMM_VIRTIO_CORE_H

#include <pthread.h>
#include <stdio.h>

#include "devices/virtio/queue.h"
#include "devices/virtio/virtio.h"
#include "vmm/irq.h"
#include "vmm/log.h"

#define VIRTIO_FEATURE_WORDS 4 /* bits 0 to 127, 32 a word (virtio 1.2, 2.2) */
#define VIRTIO_CONFIG_MAX    0x100u

/* InterruptStatus (virtio 1.2, 4.2.2) */
#define VIRTIO_ISR_USED   0x1u
#define VIRTIO_ISR_CONFIG 0x2u

struct counts;
struct loop_source;
struct text;
struct vhost;
struct vm;

enum virtio_notify { VIRTIO_NOTIFY_EXIT, VIRTIO_NOTIFY_IOEVENTFD };

/* Options that every virtio device has. */
struct virtio_settings {
	unsigned notify; /* enum virtio_notify */
	uint64_t id, queue_size;
	bool indirect, event_idx;
};

struct virtio_dev {
	const struct virtio_class *class;
	char name[24]; /* "test0": class and number */
	struct vm *vm;
	struct virtio_settings settings;
	bool created; /* create() was called, so destroy() is owed */
	unsigned n_queues;
	uint16_t queue_sizes[VIRTIO_QUEUES_MAX]; /* 0: settings.queue_size */
	struct irq_line *irq;                    /* set by the transport */

	pthread_mutex_t lock;
	uint8_t status;
	uint32_t offered[VIRTIO_FEATURE_WORDS];  /* what the device has */
	uint32_t accepted[VIRTIO_FEATURE_WORDS]; /* what the driver wrote; frozen by FEATURES_OK */
	bool accepted_more;                      /* ... and bits beyond, which do not exist */
	uint32_t isr;
	uint32_t generation;
	uint8_t config[VIRTIO_CONFIG_MAX];
	void *priv;
	struct virtq queues[VIRTIO_QUEUES_MAX];
	struct log_limit log, failures, warnings;

	struct loop_source *timer;
	virtio_timer_fn *timer_fn;
	struct virtio_watch *watches;           /* a list */
	const struct virtio_terminal *terminal; /* its claim, or NULL */
	int again_fd;                           /* eventfd: a queue with more work than one kick may do */
	struct loop_source *again;
	uint32_t again_queues; /* a bit a queue */
	struct vhost *vhost;   /* where the host's kernel serves queues: vhost.h; or NULL */
};

/* --- classes ------------------------------------------------------------------------------------------------------ */

/* The class of that name, or NULL. */
const struct virtio_class *virtio_class_find(const char *name, size_t len);
/* Class number n, or NULL where there are not so many; their order tells nothing. */
const struct virtio_class *virtio_class_at(size_t n);
/* A line for each class. */
void virtio_classes_list(FILE *out);
/* The options of a class, the common ones first. */
void virtio_class_help(const struct virtio_class *class, FILE *out);

/* --- life --------------------------------------------------------------------------------------------------------- */

/*
 * A device of `class` with the options in `options` ("key=value,...", or NULL), number `index` of its class. 0 and
 * *dev, or -errno with a message. It is attached to the machine by a transport.
 */
int virtio_create(struct virtio_dev **dev, struct vm *vm, const struct virtio_class *class, unsigned index,
		  const char *options);
void virtio_destroy(struct virtio_dev *dev);

/* --- for a transport; lock held ----------------------------------------------------------------------------------- */

uint32_t virtio_offered(const struct virtio_dev *dev, uint32_t word);
void virtio_accept(struct virtio_dev *dev, uint32_t word, uint32_t bits);
/* Bit `bit` of feature words. */
static inline bool virtio_bit(const uint32_t *words, unsigned bit)
{
	return words[bit / 32] & (1u << (bit % 32));
}

/* Feature bit `bit`, negotiated: FEATURES_OK is set. */
bool virtio_negotiated(const struct virtio_dev *dev, unsigned bit);

/* Sets the status as it is to be, and tells of the change. */
void virtio_change_status(struct virtio_dev *dev, uint8_t status);
/* A write of device status: 0 resets, else the bits that are legal now are taken (virtio 1.2, 2.1, 3.1.1). */
void virtio_set_status(struct virtio_dev *dev, uint32_t value);

/* Configuration space; outside config_size a read gives 0 and a write is ignored. */
uint64_t virtio_config_read(const struct virtio_dev *dev, size_t off, size_t len);
void virtio_config_write(struct virtio_dev *dev, size_t off, size_t len, uint64_t value);

/* The queue of that index, or NULL where there is none. */
struct virtq *virtio_queue(struct virtio_dev *dev, uint32_t index);
void virtio_queue_enable(struct virtio_dev *dev, uint32_t index);
/* The ring is not touched again (virtio 1.2, 4.2.2.1). */
void virtio_queue_disable(struct virtio_dev *dev, uint32_t index);
void virtio_queue_reset(struct virtio_dev *dev, uint32_t index);

/* True for a queue that is there and ready, of a driver that is up: one that a kick means. */
bool virtio_queue_live(struct virtio_dev *dev, uint32_t index);

/* The driver says that there are buffers in a queue. One that is absent or not live is ignored. `via`: see the event.
 */
void virtio_kick(struct virtio_dev *dev, uint32_t index, const char *via);
/* The same on a vCPU's thread. */
void virtio_kick_by_exit(struct virtio_dev *dev, uint32_t index);
/* Has the loop kick these queues, a bit each, soon. */
void virtio_kick_later(struct virtio_dev *dev, uint32_t queues);
/* The driver has seen these interrupts (virtio 1.2, 4.2.2). */
void virtio_acknowledge(struct virtio_dev *dev, uint32_t bits);
/* Around each call of a device's function: a share of work for it, and the notifications that it owes. */
void virtio_enter(struct virtio_dev *dev);
void virtio_leave(struct virtio_dev *dev);
#define VIRTIO_NO_QUEUE "the selected queue does not exist"
/* What the driver does wrong is told, and has no effect; `quietly`: to the trace alone, since drivers probe so too. */
void virtio_ignore_quietly(struct virtio_dev *dev, const char *why);
void virtio_ignore(struct virtio_dev *dev, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Interrupts the driver for `bit` of InterruptStatus. */
void virtio_interrupt(struct virtio_dev *dev, uint32_t bit);

/* How the device and its queues stand, in lines for people. Takes the lock. */
void virtio_report(struct virtio_dev *dev, struct text *out);
/* The user typed Ctrl-A and `key`; see struct vm_device_ops. Takes the lock. */
void virtio_key(struct virtio_dev *dev, char key);
/* Its counters, into those of the machine. Takes the lock. */
void virtio_count(struct virtio_dev *dev, struct counts *counts);

/* The loop's function for dev->timer. Takes the lock. */
void virtio_timer_expired(void *dev, uint64_t expirations);
/* host.c: what a device asks of the host. The timer's source is made before create(), watches by it; both end before
 * destroy(). 0 or -errno. */
int virtio_host_init(struct virtio_dev *dev);
void virtio_host_release(struct virtio_dev *dev);
/* tty.c: gives the terminal back. */
void virtio_terminal_release(struct virtio_dev *dev);
/* The loop's function for dev->again_fd: goes on with queues that had more work than one kick may do. Takes the lock.
 */
void virtio_kick_again(void *dev, uint32_t events);

#endif
