// SPDX-License-Identifier: GPL-2.0-only
/*
 * The block device (virtio 1.2, 5.2): a raw image, read and written by backend/disk.h while the guest runs on. A chain
 * is kept until the disk is through. A flush is answered once the image is on the medium, and so is a write where the
 * driver knows no flush (5.2.6.2).
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <string.h>
#include <sys/epoll.h>

#include "devices/backend/disk.h"
#include "devices/virtio/virtio.h"

#define BLK_DEPTH       256u       /* requests that the disk works on at once, of all queues */
#define BLK_SEGS_MAX    254u       /* data buffers of a request; header and status are two more */
#define BLK_SECTORS_MAX (1u << 22) /* of one discard or write zeroes: 2 GiB */
_Static_assert(VIRTIO_QUEUES_MAX <= DISK_GROUPS, "a queue is a group of requests");

/* Goes with each chain. */
struct blk_request {
	struct disk_request io;
	struct virtio_dev *dev;
	struct virtio_chain chain;
	unsigned queue;
	uint8_t *status; /* in guest memory */
};

struct blk {
	char *path, *serial;
	bool readonly;
	unsigned engine; /* index into engine_names */
	uint64_t n_queues;
	struct disk *disk;
	uint64_t count[DISK_OPS], bytes[DISK_OPS], errors;
};

/* `written`: bytes from the first writable one on; the status, the last, counts only behind all others (2.7.8.2). */
static void blk_answer(struct blk_request *request, uint8_t status, uint64_t written)
{
	struct blk *blk = virtio_priv(request->dev);

	*request->status = status;
	blk->errors += status != VIRTIO_BLK_S_OK;
	vq_push(request->dev, request->queue, &request->chain,
		(uint32_t)written + (written + 1 == request->chain.writable_len));
}

static void blk_done(struct disk_request *io, int err)
{
	struct blk_request *request = (struct blk_request *)io; /* its first member */
	const struct blk *blk = virtio_priv(request->dev);

	if (err && err != -EINVAL && err != -EROFS && err != -ECANCELED) /* those are the driver's doing, no news */
		virtio_warn(request->dev, "%s: %s of %llu bytes at %llu: %s; the guest gets an error", blk->path,
			    disk_op_name(io->op), (unsigned long long)io->len, (unsigned long long)io->offset,
			    strerror(-err));
	blk_answer(request, err ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK, !err && io->op == DISK_READ ? io->len : 0);
}

/* These set the request's io up for the disk (BLK_SUBMIT), or give the status that the driver gets at once. */
#define BLK_SUBMIT (-1)

static int blk_transfer(struct virtio_chain *chain, struct disk_request *io, enum disk_op op)
{
	bool out = op == DISK_WRITE;

	io->op = op;
	io->len = out ? chain->readable_len - sizeof(struct virtio_blk_outhdr) : chain->writable_len - 1;
	io->iov = out ? chain_rest_readable(chain, &io->n_iov) : chain_rest_writable(chain, &io->n_iov);
	return io->len % DISK_SECTOR ? VIRTIO_BLK_S_IOERR : BLK_SUBMIT;
}

static int blk_clear(struct virtio_chain *chain, struct disk_request *io, enum disk_op op)
{
	struct virtio_blk_discard_write_zeroes range;
	uint32_t known = op == DISK_ZERO ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;

	if (chain->readable_len != sizeof(struct virtio_blk_outhdr) + sizeof(range))
		return VIRTIO_BLK_S_IOERR; /* max_..._seg is 1 */
	chain_read(chain, &range, sizeof(range));
	io->op = op;
	io->unmap = le32toh(range.flags);
	io->offset = disk_offset(le64toh(range.sector));
	io->len = (uint64_t)le32toh(range.num_sectors) * DISK_SECTOR;
	if (le32toh(range.flags) & ~known)
		return VIRTIO_BLK_S_UNSUPP; /* 5.2.6.2 */
	return le32toh(range.num_sectors) > BLK_SECTORS_MAX ? VIRTIO_BLK_S_IOERR : BLK_SUBMIT;
}

static int blk_begin(struct blk_request *request, uint64_t *written)
{
	const struct blk *blk = virtio_priv(request->dev);
	struct virtio_blk_outhdr header;
	char id[VIRTIO_BLK_ID_BYTES] = "";

	if (chain_read(&request->chain, &header, sizeof(header)) != sizeof(header))
		return VIRTIO_BLK_S_IOERR;
	request->io.offset = disk_offset(le64toh(header.sector));
	switch (le32toh(header.type)) {
	case VIRTIO_BLK_T_IN: return blk_transfer(&request->chain, &request->io, DISK_READ);
	case VIRTIO_BLK_T_OUT: return blk_transfer(&request->chain, &request->io, DISK_WRITE);
	case VIRTIO_BLK_T_DISCARD: return blk_clear(&request->chain, &request->io, DISK_DISCARD);
	case VIRTIO_BLK_T_WRITE_ZEROES: return blk_clear(&request->chain, &request->io, DISK_ZERO);
	case VIRTIO_BLK_T_FLUSH: request->io.op = DISK_FLUSH; return BLK_SUBMIT;
	case VIRTIO_BLK_T_GET_ID:
		memcpy(id, blk->serial, strnlen(blk->serial, sizeof(id))); /* no zero where it is full (5.2.6) */
		*written = chain_write(&request->chain, id, sizeof(id));
		return VIRTIO_BLK_S_OK;
	default: return VIRTIO_BLK_S_UNSUPP;
	}
}

static void blk_kick(struct virtio_dev *dev, unsigned q)
{
	struct blk *blk = virtio_priv(dev);
	struct virtio_chain chain;
	uint64_t written = 0;

	while (vq_pop(dev, q, &chain) > 0) {
		struct blk_request *request = chain.priv;
		bool sync = !virtio_has_feature(dev, VIRTIO_BLK_F_FLUSH);

		*request = (struct blk_request){ { .done = blk_done, .sync = sync, .group = q }, dev, chain, q, NULL };
		request->status = chain_cut_status(&request->chain);
		if (!request->status) {
			virtio_fail(dev, "queue %u: a request without a byte for its status (virtio 1.2, 5.2.6)", q);
			break;
		}
		int status = blk_begin(request, &written);

		if (status == BLK_SUBMIT) {
			blk->count[request->io.op]++;
			blk->bytes[request->io.op] += request->io.len;
			disk_submit(blk->disk, &request->io);
		} else {
			blk_answer(request, (uint8_t)status, status == VIRTIO_BLK_S_OK ? written : 0);
		}
	}
	disk_kick(blk->disk);
}

static void blk_disk_ready(struct virtio_dev *dev, void *ctx, uint32_t events)
{
	(void)dev;
	(void)events;
	disk_complete(ctx);
}

static void blk_reset(struct virtio_dev *dev)
{
	const struct blk *blk = virtio_priv(dev);

	disk_drop(blk->disk, UINT32_MAX);
}

static void blk_queue_reset(struct virtio_dev *dev, unsigned q)
{
	disk_drop(((const struct blk *)virtio_priv(dev))->disk, 1u << q);
}

static void blk_describe(struct virtio_dev *dev)
{
	const struct blk *blk = virtio_priv(dev);
	struct virtio_blk_config *config = virtio_config(dev);
	unsigned size = virtio_queue_size(dev, 0), block = disk_block_size(blk->disk) / DISK_SECTOR;

	config->capacity = htole64(disk_size(blk->disk) / DISK_SECTOR);
	config->seg_max = htole32(size < 3 ? 1 : size - 2 < BLK_SEGS_MAX ? size - 2 : BLK_SEGS_MAX);
	config->blk_size = htole32(DISK_SECTOR);
	config->physical_block_exp = (uint8_t)__builtin_ctz(block);
	config->min_io_size = htole16((uint16_t)block);
	config->num_queues = htole16((uint16_t)blk->n_queues);
	config->max_discard_sectors = config->max_write_zeroes_sectors = htole32(BLK_SECTORS_MAX);
	config->max_discard_seg = config->max_write_zeroes_seg = htole32(1);
	config->discard_sector_alignment = htole32(block);
	config->write_zeroes_may_unmap = 1;
	virtio_set_queues(dev, (unsigned)blk->n_queues);
	if (blk->n_queues > 1)
		virtio_offer(dev, FEATURE(VIRTIO_BLK_F_MQ));
	virtio_offer(dev, FEATURE(blk->readonly ? VIRTIO_BLK_F_RO : VIRTIO_BLK_F_WRITE_ZEROES));
	if (disk_can_discard(blk->disk))
		virtio_offer(dev, FEATURE(VIRTIO_BLK_F_DISCARD));
}

static int blk_create(struct virtio_dev *dev)
{
	struct blk *blk = virtio_priv(dev);
	struct disk_settings settings = { .who = "--device blk",
					  .path = blk->path,
					  .readonly = blk->readonly,
					  .threads = blk->engine,
					  .sandbox = virtio_sandbox(dev),
					  .depth = BLK_DEPTH };
	int err = -EINVAL;

	if (strlen(blk->serial) > VIRTIO_BLK_ID_BYTES)
		virtio_error(dev, "serial=%s: more than %d characters", blk->serial, VIRTIO_BLK_ID_BYTES);
	else
		err = disk_open(&blk->disk, &settings);
	if (err)
		return err;
	blk_describe(dev);
	return virtio_watch(dev, disk_fd(blk->disk), EPOLLIN, blk_disk_ready, blk->disk, NULL);
}

static void blk_destroy(struct virtio_dev *dev)
{
	disk_close(((const struct blk *)virtio_priv(dev))->disk);
}

#define FIELD(field) offsetof(struct blk, field)

static const char *const engine_names[] = { "auto", "threads", NULL };
static const struct option_desc blk_options[] = {
	{ "path", OPTION_STRING, FIELD(path), NULL, 1, 0, NULL, "the image: a file or a block device, as it is (raw)" },
	{ "readonly", OPTION_BOOL, FIELD(readonly), "off", 0, 0, NULL, "refuse what would change it" },
	{ "serial", OPTION_STRING, FIELD(serial), "minivmm", 0, 0, NULL, "its serial number, up to 20 characters" },
	{ "queues", OPTION_UINT, FIELD(n_queues), "1", 1, VIRTIO_QUEUES_MAX, NULL, "request queues" },
	{ "io", OPTION_ENUM, FIELD(engine), "auto", 0, 0, engine_names, "io_uring where the host has it, or threads" },
	{ .name = NULL },
};

static const struct counter_desc blk_counters[] = {
	COUNTER("reads", FIELD(count[DISK_READ]), "requests"),
	COUNTER("read-bytes", FIELD(bytes[DISK_READ]), "asked for"),
	COUNTER("writes", FIELD(count[DISK_WRITE]), "requests"),
	COUNTER("write-bytes", FIELD(bytes[DISK_WRITE]), "to be written"),
	COUNTER("flushes", FIELD(count[DISK_FLUSH]), "requests"),
	COUNTER("discards", FIELD(count[DISK_DISCARD]), "requests"),
	COUNTER("write-zeroes", FIELD(count[DISK_ZERO]), "requests"),
	COUNTER("errors", FIELD(errors), "requests that were answered with an error"),
	{ .name = NULL },
};

static const struct virtio_class blk_class = {
	.name = "blk",
	.help = "a disk: a raw image",
	.id = VIRTIO_ID_BLOCK,
	.n_queues = 1,
	.queue_size = 256,
	.config_size = offsetof(struct virtio_blk_config, max_secure_erase_sectors),
	.features = 1u << VIRTIO_BLK_F_SEG_MAX | 1u << VIRTIO_BLK_F_BLK_SIZE | 1u << VIRTIO_BLK_F_FLUSH |
		    1u << VIRTIO_BLK_F_TOPOLOGY,
	.priv_size = sizeof(struct blk),
	.chain_size = sizeof(struct blk_request),
	.options = blk_options,
	.counters = blk_counters,
	.linux_option = "CONFIG_VIRTIO_BLK",
	.create = blk_create,
	.kick = blk_kick,
	.reset = blk_reset,
	.queue_reset = blk_queue_reset,
	.destroy = blk_destroy,
};
VIRTIO_DEVICE(blk_class);
