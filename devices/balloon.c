// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory balloon (virtio 1.2, 5.5): the driver gives pages up as far as the host wants, and says which others are
 * free. What it gives up or reports goes back to the host at once and reads as zeros when the guest takes it again, so
 * nobody has to be told of a page taken back.
 *
 * Hinted pages are counted and left alone: the driver may take one back, and write to it, before we get to see the
 * hint (5.5.6.6); they are for whoever copies the guest's memory.
 */
#include <errno.h>
#include <linux/virtio_balloon.h>

#include "devices/virtio/virtio.h"

/* Queues. The last two have fixed numbers, but a driver before Linux 6.11 counts only those that it uses: without
 * FREE_PAGE_HINT its number 3 is for reporting. */
enum { QUEUE_INFLATE, QUEUE_DEFLATE, QUEUE_STATS, QUEUE_HINT, QUEUE_REPORT, N_QUEUES };

#define BALLOON_PFNS_MAX   1024u /* page numbers taken of one buffer; Linux sends 256 */
#define BALLOON_WORK       4096u /* ... or areas that are given back, in one call; then others have their turn */
#define BALLOON_STEPS      16u   /* of the guest's memory: what one key changes */
#define BALLOON_HINT_FIRST 2u    /* command ids below mean stop and done (5.5.6.6) */

struct balloon {
	uint64_t size, stats_interval; /* bytes; ns */
	bool reporting, hinting, on_oom, has_stats_chain, in_round;
	struct virtio_chain stats_chain; /* the driver's, until new statistics are wanted */
	uint32_t hint_id;                /* the host's last; in_round: what the driver sends is for that one */
	uint64_t inflated, deflated, returned, reported, hinted, bad_pages;
	uint64_t stats[VIRTIO_BALLOON_S_NR]; /* the driver's last, by tag */
};

/* These return how often the host was asked for something. */
static unsigned balloon_take_pages(struct virtio_dev *dev, struct virtio_chain *chain, bool inflate)
{
	struct balloon *balloon = virtio_priv(dev);
	uint64_t pages = chain->readable_len / sizeof(struct le32);
	unsigned n = pages < BALLOON_PFNS_MAX ? (unsigned)pages : BALLOON_PFNS_MAX;
	struct le32 pfn;

	for (unsigned i = 0; i < n; i++) {
		chain_read(chain, &pfn, sizeof(pfn));
		uint64_t gpa = (uint64_t)le32_get(pfn) << VIRTIO_BALLOON_PFN_SHIFT;

		if (!inflate)
			balloon->deflated++;
		else if (virtio_discard_gpa(dev, gpa, VIRTIO_PAGE))
			balloon->inflated++;
		else
			balloon->bad_pages++; /* no RAM: nothing to give up */
	}
	return n;
}

/* A guest that wants to find its own pattern in free pages gets no zeros in their place (5.5.6.7.2). */
static unsigned balloon_take_report(struct virtio_dev *dev, const struct virtio_chain *chain)
{
	struct balloon *balloon = virtio_priv(dev);
	const struct virtio_balloon_config *config = virtio_config(dev);
	bool keep = !virtio_has_feature(dev, VIRTIO_BALLOON_F_REPORTING) ||
		    (virtio_has_feature(dev, VIRTIO_BALLOON_F_PAGE_POISON) && config->poison_val);

	for (unsigned i = 0; i < chain->n_writable; i++) {
		balloon->reported += chain->writable[i].iov_len;
		balloon->returned += keep ? 0 : virtio_discard_iov(dev, &chain->writable[i]);
	}
	return chain->n_writable;
}

static void balloon_set_hint(struct virtio_dev *dev, uint32_t id)
{
	struct virtio_balloon_config *config = virtio_config(dev);

	config->free_page_hint_cmd_id = htole32(id);
	virtio_config_changed(dev);
}

/* Each round has a number of its own, so that the driver's late pages of another one are known. */
static void balloon_begin_hints(struct virtio_dev *dev)
{
	struct balloon *balloon = virtio_priv(dev);

	if (!virtio_driver_ok(dev) || !virtio_has_feature(dev, VIRTIO_BALLOON_F_FREE_PAGE_HINT))
		return;
	if (++balloon->hint_id < BALLOON_HINT_FIRST)
		balloon->hint_id = BALLOON_HINT_FIRST;
	balloon->in_round = false;
	balloon_set_hint(dev, balloon->hint_id);
}

/* Readable: the round that what follows belongs to, or stop. Writable: free pages. */
static void balloon_take_hint(struct virtio_dev *dev, struct virtio_chain *chain)
{
	struct balloon *balloon = virtio_priv(dev);
	const struct virtio_balloon_config *config = virtio_config(dev);
	struct le32 id;

	if (chain_read(chain, &id, sizeof(id)) == sizeof(id)) {
		if (le32_get(id) == VIRTIO_BALLOON_CMD_ID_STOP && balloon->in_round)
			balloon_set_hint(dev, VIRTIO_BALLOON_CMD_ID_DONE); /* the driver may use its pages again */
		balloon->in_round = id.raw == config->free_page_hint_cmd_id && le32_get(id) >= BALLOON_HINT_FIRST;
	}
	if (balloon->in_round)
		balloon->hinted += chain->writable_len;
}

/* A buffer that comes back empty asks for a new one (5.5.6.3). One of before a reset the core does not give back. */
static void balloon_want_stats(struct virtio_dev *dev)
{
	struct balloon *balloon = virtio_priv(dev);

	if (balloon->has_stats_chain)
		vq_push(dev, QUEUE_STATS, &balloon->stats_chain, 0);
	balloon->has_stats_chain = false;
}

static void balloon_take_stats(struct virtio_dev *dev, struct virtio_chain *chain)
{
	struct balloon *balloon = virtio_priv(dev);
	struct virtio_balloon_stat stat;

	for (unsigned i = 0; i < 2 * VIRTIO_BALLOON_S_NR && chain_read(chain, &stat, sizeof(stat)) == sizeof(stat); i++)
		if (le16toh(stat.tag) < VIRTIO_BALLOON_S_NR)
			balloon->stats[le16toh(stat.tag)] = le64toh(stat.val);
	balloon_want_stats(dev); /* of two buffers one is enough */
	balloon->stats_chain = *chain;
	balloon->has_stats_chain = true;
}

static void balloon_kick(struct virtio_dev *dev, unsigned q)
{
	struct virtio_chain chain;
	unsigned role = q == QUEUE_HINT && !virtio_has_feature(dev, VIRTIO_BALLOON_F_FREE_PAGE_HINT) ? QUEUE_REPORT : q;
	unsigned work = 0;

	while (work < BALLOON_WORK && vq_pop(dev, q, &chain) > 0) {
		switch (role) {
		case QUEUE_STATS: balloon_take_stats(dev, &chain); continue; /* it is kept */
		case QUEUE_HINT: balloon_take_hint(dev, &chain); break;
		case QUEUE_REPORT: work += balloon_take_report(dev, &chain); break;
		default: work += balloon_take_pages(dev, &chain, role == QUEUE_INFLATE);
		}
		vq_push(dev, q, &chain, 0);
	}
	if (work >= BALLOON_WORK)
		vq_again(dev, q);
}

/* Takes what falls on `actual` and `poison_val`; the other two are the host's. */
static void balloon_config_write(struct virtio_dev *dev, size_t off, size_t len, const void *bytes)
{
	for (size_t i = 0; i < len; i++)
		if ((off + i) / sizeof(struct le32) % 2 == 1)
			((uint8_t *)virtio_config(dev))[off + i] = ((const uint8_t *)bytes)[i];
}

static void balloon_reset(struct virtio_dev *dev)
{
	struct virtio_balloon_config *config = virtio_config(dev);

	config->actual = config->poison_val = config->free_page_hint_cmd_id = 0;
}

static void balloon_key(struct virtio_dev *dev, char key)
{
	struct balloon *balloon = virtio_priv(dev);
	struct virtio_balloon_config *config = virtio_config(dev);
	uint64_t ram = virtio_ram_size(dev), step = ram / BALLOON_STEPS, size = balloon->size;

	if (key == 'f') {
		balloon_begin_hints(dev);
		return;
	}
	balloon->size = key == '-' ? (size > step ? size - step : 0) : size + step < ram ? size + step : ram;
	config->num_pages = htole32((uint32_t)(balloon->size / VIRTIO_PAGE));
	virtio_print(dev, "%llu MiB are wanted in the balloon", (unsigned long long)(balloon->size >> 20));
	virtio_config_changed(dev);
}

/* Linux kicks the statistics queue before DRIVER_OK, when a kick is void (3.1.1): its buffer waits. */
static void balloon_ready(struct virtio_dev *dev)
{
	balloon_kick(dev, QUEUE_STATS);
	balloon_begin_hints(dev);
}

static int balloon_create(struct virtio_dev *dev)
{
	const struct balloon *balloon = virtio_priv(dev);
	struct virtio_balloon_config *config = virtio_config(dev);
	unsigned long long ram = virtio_ram_size(dev);

	if (balloon->size > ram) {
		virtio_error(dev, "size: more than the guest's %llu MiB; give more --mem", ram >> 20);
		return -EINVAL;
	}
	virtio_set_queues(dev, balloon->reporting ? N_QUEUES : balloon->hinting ? QUEUE_REPORT : QUEUE_HINT);
	virtio_set_queue_size(dev, QUEUE_REPORT, 32);
	config->num_pages = htole32((uint32_t)(balloon->size / VIRTIO_PAGE));
	virtio_timer(dev, balloon->stats_interval, balloon->stats_interval, balloon_want_stats);
	return 0;
}

#define FIELD(field) offsetof(struct balloon, field)

static const struct option_desc balloon_options[] = {
	{ "size", OPTION_SIZE, FIELD(size), "0", 0, 1ull << 40, NULL, "what the balloon is to hold at first" },
	{ "stats-interval", OPTION_DURATION, FIELD(stats_interval), NULL, 10000000ull, 3600000000000ull, NULL,
	  "time between statistics (where not given, once)" },
	{ "free-page-reporting", OPTION_FEATURE, FIELD(reporting), "off", VIRTIO_BALLOON_F_REPORTING, 0, NULL,
	  "take back what is free" },
	{ "free-page-hint", OPTION_FEATURE, FIELD(hinting), "off", VIRTIO_BALLOON_F_FREE_PAGE_HINT, 0, NULL,
	  "ask for what is free, and count it" },
	{ "deflate-on-oom", OPTION_FEATURE, FIELD(on_oom), "on", VIRTIO_BALLOON_F_DEFLATE_ON_OOM, 0, NULL,
	  "let the guest have pages back in need" },
	{ .name = NULL },
};

static const char *const stat_names[] = VIRTIO_BALLOON_S_NAMES;
static const struct counter_desc balloon_counters[] = {
	COUNTER("inflated-pages", FIELD(inflated), "4 KiB pages that the driver gave up"),
	COUNTER("deflated-pages", FIELD(deflated), "... took back"),
	COUNTER("reported-bytes", FIELD(reported), "that the driver said were free"),
	COUNTER("returned-bytes", FIELD(returned), "... and the host got back"),
	COUNTER("hinted-bytes", FIELD(hinted), "that the driver hinted at"),
	COUNTER("bad-pages", FIELD(bad_pages), "page numbers that are no RAM"),
	COUNTERS("guest", FIELD(stats), "what the guest says of its memory, in bytes or how often", stat_names),
	{ .name = NULL },
};

static const struct state_desc balloon_state[] = { STATE(struct balloon, size),
						   STATE(struct balloon, has_stats_chain),
						   STATE(struct balloon, hint_id),
						   STATE(struct balloon, in_round),
						   { .name = NULL } };

static const struct virtio_class balloon_class = {
	.name = "balloon",
	.help = "takes memory from the guest and gives it back",
	.id = VIRTIO_ID_BALLOON,
	.n_queues = N_QUEUES,
	.queue_size = 128,
	.config_size = sizeof(struct virtio_balloon_config),
	.single = true,
	.features = 1u << VIRTIO_BALLOON_F_STATS_VQ | 1u << VIRTIO_BALLOON_F_PAGE_POISON,
	.priv_size = sizeof(struct balloon),
	.chains = 2, /* of statistics: the new one comes before the old one goes */
	.options = balloon_options,
	.counters = balloon_counters,
	.state = balloon_state,
	.linux_option = "CONFIG_VIRTIO_BALLOON",
	.keys = "+-f the balloon: more, less, ask for hints",
	.create = balloon_create,
	.kick = balloon_kick,
	.config_write = balloon_config_write,
	.reset = balloon_reset,
	.ready = balloon_ready,
	.key = balloon_key,
};
VIRTIO_DEVICE(balloon_class);
