// SPDX-License-Identifier: GPL-2.0-only
/* Classes of virtio devices, their options, and how a device of one comes and goes. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "devices/virtio/options.h"
#include "vmm/loop.h"
#include "vmm/resident.h"
#include "vmm/vm.h"

static const char *const notify_names[] = {
	[VIRTIO_NOTIFY_EXIT] = "exit", [VIRTIO_NOTIFY_IOEVENTFD] = "ioeventfd", NULL
};

#define COMMON(field) offsetof(struct virtio_settings, field)
static const struct option_desc common_options[] = {
	{ "notify", OPTION_ENUM, COMMON(notify), "exit", 0, 0, notify_names, "how a kick reaches the device" },
	{ "queue-size", OPTION_POW2, COMMON(queue_size), NULL, 1, VIRTQ_SIZE_MAX, NULL, "entries of each queue" },
	{ "indirect", OPTION_BOOL, COMMON(indirect), "on", 0, 0, NULL, "offer INDIRECT_DESC" },
	{ "event-idx", OPTION_BOOL, COMMON(event_idx), "on", 0, 0, NULL, "offer EVENT_IDX" },
	{ "id", OPTION_UINT, COMMON(id), NULL, 0, UINT32_MAX, NULL, "device id shown to the driver" },
	{ .name = NULL },
};

/* The linker gathers the pointers that VIRTIO_DEVICE() makes between these two. */
extern const struct virtio_class *const __start_virtio_classes[];
extern const struct virtio_class *const __stop_virtio_classes[];

#define for_each_class(entry)                                                                                    \
	for (const struct virtio_class *const *entry = __start_virtio_classes; (entry) != __stop_virtio_classes; \
	     (entry)++)

const struct virtio_class *virtio_class_find(const char *name, size_t len)
{
	/* cppcheck-suppress comparePointers */
	for_each_class (entry)
		if (strlen((*entry)->name) == len && memcmp((*entry)->name, name, len) == 0)
			return *entry;
	return NULL;
}

const struct virtio_class *virtio_class_at(size_t n)
{
	/* cppcheck-suppress comparePointers */
	for_each_class (entry)
		if (n-- == 0)
			return *entry;
	return NULL;
}

void virtio_classes_list(FILE *out)
{
	/* cppcheck-suppress comparePointers */
	for_each_class (entry)
		fprintf(out, "  %-12s %s\n", (*entry)->name, (*entry)->help);
}

void virtio_class_help(const struct virtio_class *class, FILE *out)
{
	fprintf(out, "--device %s[,key=value...]: %s\n", class->name, class->help);
	options_list(class->options, out);
	fprintf(out, "as every virtio device (unless set: queue-size=%u, id=%u):\n", class->queue_size, class->id);
	options_list(common_options, out);
	if (class->keys)
		fprintf(out, "keys, behind Ctrl-A on the terminal:\n  %s\n", class->keys);
	if (class->counters)
		fprintf(out, "counts, in --stats:\n");
	for (const struct counter_desc *desc = class->counters; desc && desc->name; desc++)
		fprintf(out, "  %-20s %s\n", desc->name, desc->help);
}

static void set_bit(uint32_t *words, unsigned bit)
{
	words[bit / 32] |= 1u << (bit % 32);
}

static void offer(struct virtio_dev *dev)
{
	virtio_offer(dev, dev->class->features);
	set_bit(dev->offered, VIRTIO_F_VERSION_1);
	set_bit(dev->offered, VIRTIO_F_RING_RESET);
	if (dev->settings.indirect)
		set_bit(dev->offered, VIRTIO_RING_F_INDIRECT_DESC);
	if (dev->settings.event_idx)
		set_bit(dev->offered, VIRTIO_RING_F_EVENT_IDX);
	for (const struct option_desc *desc = dev->class->options; desc && desc->name; desc++)
		if (desc->type == OPTION_FEATURE && *(const bool *)((const uint8_t *)dev->priv + desc->offset))
			virtio_offer(dev, FEATURE(desc->min));
}

static int parse_options(struct virtio_dev *dev, const char *text)
{
	const struct option_set sets[] = { { dev->class->options, dev->priv }, { common_options, &dev->settings } };
	char who[48];

	dev->settings = (struct virtio_settings){ .id = dev->class->id, .queue_size = dev->class->queue_size };
	int err = options_defaults(&sets[0]);

	if (!err)
		err = options_defaults(&sets[1]);
	if (err) {
		virtio_error(dev, "its options: %s", strerror(-err));
		return err;
	}
	snprintf(who, sizeof(who), "--device %s", dev->class->name);
	return options_parse(who, text, sets, 2);
}

void virtio_offer(struct virtio_dev *dev, uint64_t features)
{
	dev->offered[0] |= (uint32_t)features;
	dev->offered[1] |= (uint32_t)(features >> 32);
}

void virtio_set_queues(struct virtio_dev *dev, unsigned n)
{
	dev->n_queues = n < VIRTIO_QUEUES_MAX ? n : VIRTIO_QUEUES_MAX;
}

void virtio_set_queue_size(struct virtio_dev *dev, unsigned q, uint16_t size)
{
	dev->queue_sizes[q] = size;
}

unsigned virtio_queue_size(const struct virtio_dev *dev, unsigned q)
{
	return dev->queue_sizes[q] ? dev->queue_sizes[q] : (unsigned)dev->settings.queue_size;
}

static int make_loop_parts(struct virtio_dev *dev)
{
	dev->again_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dev->again_fd < 0)
		return -errno;
	int err = loop_add_fd(dev->vm->loop, dev->again_fd, EPOLLIN, virtio_kick_again, dev, &dev->again);

	return err ? err : virtio_host_init(dev);
}

/* Once create() has said how many. */
static int make_queues(struct virtio_dev *dev)
{
	int err = 0;

	for (unsigned q = 0; q < dev->n_queues && !err; q++) {
		struct virtq_owner owner = { .memory = &dev->vm->memory,
					     .trace = &dev->vm->trace,
					     .dev = dev->name,
					     .index = q,
					     .chain_size = dev->class->chain_size,
					     .chains = dev->class->chains };

		err = virtq_init(&dev->queues[q], &owner, virtio_queue_size(dev, q));
	}
	return err;
}

/* Devices are written by strangers: what the core relies on is checked, once a device. */
static int check_class(const struct virtio_class *class)
{
	const struct counter_desc *counter = class->counters;
	const struct state_desc *state = class->state;
	bool pow2 = class->queue_size && !(class->queue_size & (class->queue_size - 1u));

	while (counter && counter->name &&
	       counter->offset + (counter->n_names ? counter->n_names : 1) * sizeof(uint64_t) <= class->priv_size)
		counter++;
	while (state && state->name && state->offset + state->size <= class->priv_size)
		state++;
	if ((counter && counter->name) || (state && state->name)) {
		log_error("--device %s: its class lists a counter or state outside its priv_size", class->name);
		return -EINVAL;
	}
	if (class->config_size <= VIRTIO_CONFIG_MAX && class->n_queues <= VIRTIO_QUEUES_MAX &&
	    (class->n_queues == 0 || (pow2 && class->queue_size <= VIRTQ_SIZE_MAX)))
		return 0;
	log_error(
		"--device %s: its class asks for more than %u bytes of configuration space or %u queues, or for a queue_size that "
		"is not a power of two",
		class->name, VIRTIO_CONFIG_MAX, VIRTIO_QUEUES_MAX);
	return -EINVAL;
}

int virtio_create(struct virtio_dev **out, struct vm *vm, const struct virtio_class *class, unsigned index,
		  const char *options)
{
	struct virtio_dev *dev;
	int err = check_class(class);

	if (err)
		return err;
	dev = calloc(1, sizeof(*dev));
	if (!dev) {
		log_error("--device %s: %s", class->name, strerror(ENOMEM));
		return -ENOMEM;
	}
	dev->class = class;
	dev->vm = vm;
	dev->again_fd = -1;
	dev->n_queues = class->n_queues;
	snprintf(dev->name, sizeof(dev->name), "%s%u", class->name, index);
	pthread_mutex_init(&dev->lock, NULL);
	dev->priv = resident_alloc(1, class->priv_size ? class->priv_size : 1);
	if (!dev->priv) {
		err = -ENOMEM;
		virtio_error(dev, "%s", strerror(ENOMEM));
		goto fail;
	}
	err = parse_options(dev, options);
	if (err)
		goto fail;
	offer(dev);
	err = make_loop_parts(dev);
	if (err)
		goto fail_parts;
	dev->created = true;
	err = class->create ? class->create(dev) : 0;
	if (err)
		goto fail;
	err = make_queues(dev);
	if (err)
		goto fail_parts;
	*out = dev;
	return 0;
fail_parts:
	virtio_error(dev, "cannot make its queues and timer: %s", strerror(-err));
fail:
	virtio_destroy(dev);
	return err;
}

void virtio_destroy(struct virtio_dev *dev)
{
	virtio_host_release(dev);
	loop_del(dev->again);
	if (dev->created && dev->class->destroy)
		dev->class->destroy(dev);
	if (dev->again_fd >= 0)
		close(dev->again_fd);
	for (unsigned q = 0; q < dev->n_queues; q++)
		virtq_release(&dev->queues[q]);
	if (dev->priv)
		options_release(&(struct option_set){ dev->class->options, dev->priv });
	free(dev->priv);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}
