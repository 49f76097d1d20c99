// SPDX-License-Identifier: GPL-2.0-only
/*
 * Driver of the virtio-test device.
 *
 * Each configuration change of the device is answered with one number, sent as
 * a little-endian 32-bit buffer on the queue "print". The device prints it and
 * returns the buffer. Numbers count from 1 at each probe.
 *
 * Who does what:
 *   config_changed, interrupt context: counts one more number that is owed
 *   work, process context: talks to config space, sends the owed numbers
 *   ack, interrupt context: collects used buffers, wakes the work if owed > 0
 *
 * Only the work adds buffers, so numbers go out in order. A number that finds
 * the ring full stays owed; it is not counted up until a buffer carries it.
 */

#define pr_fmt(fmt) "virtio_test: " fmt

#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "ids.h"

/* Feature bit: numbers may be sent on the queue "print". */
#define VIRTIO_TEST_F_CAN_PRINT 0

/* How long remove and suspend wait for buffers that the device still has. */
#define VIRTIO_TEST_DRAIN_MS 1000

struct virtio_test_config {
	__le32 num_pages;	/* what the host wants */
	__le32 actual;		/* what the guest has */
	__le32 event;		/* event the host wants done */
};

/* A buffer: in the free list, or owned by the device. */
struct virtio_test_slot {
	__le32 number;
	struct list_head free;
};

struct virtio_test {
	struct virtio_device *vdev;
	struct work_struct work;
	wait_queue_head_t drained;

	/* Guards all that follows, and the queue itself. */
	spinlock_t lock;
	bool running;			/* config changes and sends are allowed */
	unsigned long owed;		/* config changes not answered yet */
	u32 number;			/* the last number sent */

	struct virtqueue *vq;		/* NULL while the device is stopped */
	bool can_print;			/* VIRTIO_TEST_F_CAN_PRINT negotiated */
	struct virtio_test_slot *slots;	/* one for each entry of the ring */
	struct list_head free;
	unsigned int in_flight;

	/* For sysfs; written under the lock, read without. */
	unsigned long sent;
	unsigned long acked;
	unsigned long config_changes;
	unsigned long ring_full;
};

/*
 * Hands the next number to the device, unless nothing is owed, the ring is full,
 * or sending has stopped. One number a run of the work: under a fast timer a
 * loop would have no end, and the freezer waits for a run to end.
 */
static void virtio_test_send(struct virtio_test *t)
{
	struct virtio_test_slot *slot;
	struct scatterlist sg;
	bool sent = false;
	bool kick = false;
	u32 number = 0;
	int err;

	spin_lock_irq(&t->lock);
	if (!t->running || !t->owed)
		goto out;

	slot = list_first_entry_or_null(&t->free, struct virtio_test_slot, free);
	if (!slot) {
		t->ring_full++;
		goto out;
	}

	number = t->number + 1;
	slot->number = cpu_to_le32(number);
	sg_init_one(&sg, &slot->number, sizeof(slot->number));
	err = virtqueue_add_outbuf(t->vq, &sg, 1, slot, GFP_ATOMIC);
	if (err) {
		if (err == -ENOSPC)
			t->ring_full++;
		goto out;
	}

	list_del(&slot->free);
	t->in_flight++;
	t->number = number;
	t->owed--;
	t->sent++;
	sent = true;
	kick = virtqueue_kick_prepare(t->vq);
	if (t->owed)
		queue_work(system_freezable_wq, &t->work);
out:
	spin_unlock_irq(&t->lock);

	if (sent)
		pr_info("sent %u\n", number);
	/*
	 * A kick is an exit to the host, too long to hold the lock for. The
	 * queue cannot go away: it is deleted only after this work was cancelled.
	 */
	if (kick)
		virtqueue_notify(t->vq);
}

/* Config space may sleep to be read, so this is for process context. */
static void virtio_test_report_actual(struct virtio_test *t)
{
	u32 pages;

	virtio_cread_le(t->vdev, struct virtio_test_config, num_pages, &pages);
	virtio_cwrite_le(t->vdev, struct virtio_test_config, actual, &pages);
}

static void virtio_test_work(struct work_struct *work)
{
	struct virtio_test *t = container_of(work, struct virtio_test, work);

	virtio_test_report_actual(t);
	virtio_test_send(t);
}

static void virtio_test_config_changed(struct virtio_device *vdev)
{
	struct virtio_test *t = vdev->priv;
	unsigned long flags;
	bool running;

	spin_lock_irqsave(&t->lock, flags);
	running = t->running;
	if (running) {
		t->config_changes++;
		if (t->can_print)
			t->owed++;
		/* Under the lock, so that no work is queued after a stop. */
		queue_work(system_freezable_wq, &t->work);
	}
	spin_unlock_irqrestore(&t->lock, flags);

	if (running)
		pr_info("config changed\n");
}

static void virtio_test_ack(struct virtqueue *vq)
{
	struct virtio_test *t = vq->vdev->priv;
	struct virtio_test_slot *slot;
	unsigned int count = 0;
	unsigned long flags;
	unsigned int len;

	spin_lock_irqsave(&t->lock, flags);
	do {
		virtqueue_disable_cb(vq);
		while ((slot = virtqueue_get_buf(vq, &len))) {
			list_add_tail(&slot->free, &t->free);
			count++;
		}
	} while (!virtqueue_enable_cb(vq));

	t->acked += count;
	t->in_flight -= count;
	if (!t->in_flight)
		wake_up(&t->drained);
	if (count && t->running && t->owed)
		queue_work(system_freezable_wq, &t->work);
	spin_unlock_irqrestore(&t->lock, flags);

	if (count)
		pr_info("ack %u\n", count);
}

static int virtio_test_init_vq(struct virtio_test *t)
{
	struct virtio_test_slot *slots;
	struct virtqueue *vq;
	unsigned int size;
	unsigned int i;

	/*
	 * The queue is set up even where it may not be used: virtio-mmio requests
	 * its interrupt, which config changes need too, together with the queues.
	 */
	vq = virtio_find_single_vq(t->vdev, virtio_test_ack, "print");
	if (IS_ERR(vq))
		return PTR_ERR(vq);

	size = virtqueue_get_vring_size(vq);
	slots = kcalloc(size, sizeof(*slots), GFP_KERNEL);
	if (!slots) {
		t->vdev->config->del_vqs(t->vdev);
		return -ENOMEM;
	}

	INIT_LIST_HEAD(&t->free);
	for (i = 0; i < size; i++)
		list_add_tail(&slots[i].free, &t->free);
	t->in_flight = 0;
	t->slots = slots;
	t->vq = vq;
	t->can_print = virtio_has_feature(t->vdev, VIRTIO_TEST_F_CAN_PRINT);
	return 0;
}

static void virtio_test_start(struct virtio_test *t)
{
	virtio_device_ready(t->vdev);
	virtio_test_report_actual(t);

	spin_lock_irq(&t->lock);
	t->running = true;
	/* What was owed when the system went to sleep. */
	if (t->owed)
		queue_work(system_freezable_wq, &t->work);
	spin_unlock_irq(&t->lock);
}

/*
 * From running to a device that is reset and has no queue. The order matters:
 * no new work, no running work, then every number sent has been read by the
 * device, then the reset, which ends the device's access to ring and buffers.
 */
static void virtio_test_stop(struct virtio_test *t)
{
	struct virtio_device *vdev = t->vdev;

	spin_lock_irq(&t->lock);
	t->running = false;
	spin_unlock_irq(&t->lock);
	cancel_work_sync(&t->work);

	/* A restore that failed has left nothing to stop. */
	if (!t->vq)
		return;

	if (!virtqueue_is_broken(t->vq) &&
	    !wait_event_timeout(t->drained, !READ_ONCE(t->in_flight),
				msecs_to_jiffies(VIRTIO_TEST_DRAIN_MS)))
		pr_warn("%u buffers not returned in %u ms\n",
			READ_ONCE(t->in_flight), VIRTIO_TEST_DRAIN_MS);

	virtio_reset_device(vdev);
	/*
	 * The ack that woke us may still be inside the transport's interrupt
	 * handler on another CPU, which walks the queues without a lock.
	 */
	virtio_synchronize_cbs(vdev);
	vdev->config->del_vqs(vdev);
	t->vq = NULL;
	kfree(t->slots);
	t->slots = NULL;
}

static int virtio_test_probe(struct virtio_device *vdev)
{
	struct virtio_test *t;
	int err;

	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;

	t->vdev = vdev;
	spin_lock_init(&t->lock);
	init_waitqueue_head(&t->drained);
	INIT_WORK(&t->work, virtio_test_work);
	vdev->priv = t;

	err = virtio_test_init_vq(t);
	if (err) {
		vdev->priv = NULL;
		kfree(t);
		return err;
	}

	pr_info("probe\n");
	virtio_test_start(t);
	return 0;
}

static void virtio_test_remove(struct virtio_device *vdev)
{
	struct virtio_test *t = vdev->priv;

	virtio_test_stop(t);
	vdev->priv = NULL;
	kfree(t);
	pr_info("remove\n");
}

#ifdef CONFIG_PM_SLEEP
static int virtio_test_freeze(struct virtio_device *vdev)
{
	virtio_test_stop(vdev->priv);
	return 0;
}

static int virtio_test_restore(struct virtio_device *vdev)
{
	struct virtio_test *t = vdev->priv;
	int err;

	err = virtio_test_init_vq(t);
	if (err)
		return err;

	virtio_test_start(t);
	return 0;
}
#endif

static ssize_t sent_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct virtio_test *t = dev_to_virtio(dev)->priv;

	return sysfs_emit(buf, "%lu\n", READ_ONCE(t->sent));
}
static DEVICE_ATTR_RO(sent);

static ssize_t acked_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct virtio_test *t = dev_to_virtio(dev)->priv;

	return sysfs_emit(buf, "%lu\n", READ_ONCE(t->acked));
}
static DEVICE_ATTR_RO(acked);

static ssize_t config_changes_show(struct device *dev,
				   struct device_attribute *attr, char *buf)
{
	struct virtio_test *t = dev_to_virtio(dev)->priv;

	return sysfs_emit(buf, "%lu\n", READ_ONCE(t->config_changes));
}
static DEVICE_ATTR_RO(config_changes);

static ssize_t ring_full_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	struct virtio_test *t = dev_to_virtio(dev)->priv;

	return sysfs_emit(buf, "%lu\n", READ_ONCE(t->ring_full));
}
static DEVICE_ATTR_RO(ring_full);

static struct attribute *virtio_test_attrs[] = {
	&dev_attr_sent.attr,
	&dev_attr_acked.attr,
	&dev_attr_config_changes.attr,
	&dev_attr_ring_full.attr,
	NULL
};
ATTRIBUTE_GROUPS(virtio_test);

static const struct virtio_device_id virtio_test_ids[] = {
	{ VIRTIO_ID_TEST, VIRTIO_DEV_ANY_ID },
	{ 0 }
};
MODULE_DEVICE_TABLE(virtio, virtio_test_ids);

static const unsigned int virtio_test_features[] = {
	VIRTIO_TEST_F_CAN_PRINT,
};

static struct virtio_driver virtio_test_driver = {
	.driver = {
		.name = KBUILD_MODNAME,
		.owner = THIS_MODULE,	/* set by the core only since 6.11 */
		.dev_groups = virtio_test_groups,
	},
	.id_table = virtio_test_ids,
	.feature_table = virtio_test_features,
	.feature_table_size = ARRAY_SIZE(virtio_test_features),
	.probe = virtio_test_probe,
	.remove = virtio_test_remove,
	.config_changed = virtio_test_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = virtio_test_freeze,
	.restore = virtio_test_restore,
#endif
};
module_virtio_driver(virtio_test_driver);

MODULE_DESCRIPTION("Driver of the virtio-test device");
MODULE_LICENSE("GPL");
