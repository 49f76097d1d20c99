// SPDX-License-Identifier: GPL-2.0-only
/* The bytes of a chain, across its iovecs. */
#include <string.h>

#include "devices/virtio/virtio.h"

/* The next stretch of at most `len` bytes in a list of iovecs, from (*at, *off) on; both move behind it. */
static size_t next_stretch(const struct iovec *iov, unsigned n, unsigned *at, size_t *off, size_t len, uint8_t **where)
{
	while (*at < n && *off == iov[*at].iov_len) {
		++*at;
		*off = 0;
	}
	if (*at == n)
		return 0;
	size_t here = iov[*at].iov_len - *off;

	if (here > len)
		here = len;
	*where = (uint8_t *)iov[*at].iov_base + *off;
	*off += here;
	return here;
}

size_t chain_read(struct virtio_chain *chain, void *to, size_t len)
{
	size_t done = 0, here;
	uint8_t *where;

	while (done < len && (here = next_stretch(chain->readable, chain->n_readable, &chain->read_at, &chain->read_off,
						  len - done, &where))) {
		memcpy((uint8_t *)to + done, where, here);
		done += here;
	}
	return done;
}

size_t chain_skip(struct virtio_chain *chain, size_t len)
{
	size_t done = 0, here;
	uint8_t *where;

	while (done < len && (here = next_stretch(chain->readable, chain->n_readable, &chain->read_at, &chain->read_off,
						  len - done, &where)))
		done += here;
	return done;
}

size_t chain_write(struct virtio_chain *chain, const void *from, size_t len)
{
	size_t done = 0, here;
	uint8_t *where;

	while (done < len && (here = next_stretch(chain->writable, chain->n_writable, &chain->write_at,
						  &chain->write_off, len - done, &where))) {
		memcpy(where, (const uint8_t *)from + done, here);
		done += here;
	}
	return done;
}

/*
 * The storage behind the const pointers is the queue's and writable (queue.h): what was read or written of an iovec is
 * cut off it in place.
 */
static const struct iovec *rest(const struct iovec *iov, unsigned n, unsigned *at, size_t *off, unsigned *n_rest)
{
	unsigned first = *at;

	if (first < n && *off) {
		struct iovec *cut = (struct iovec *)&iov[first];

		cut->iov_base = (uint8_t *)cut->iov_base + *off;
		cut->iov_len -= *off;
	}
	*at = n;
	*off = 0;
	*n_rest = n - first;
	return iov + first;
}

const struct iovec *chain_rest_readable(struct virtio_chain *chain, unsigned *n)
{
	return rest(chain->readable, chain->n_readable, &chain->read_at, &chain->read_off, n);
}

const struct iovec *chain_rest_writable(struct virtio_chain *chain, unsigned *n)
{
	return rest(chain->writable, chain->n_writable, &chain->write_at, &chain->write_off, n);
}

uint8_t *chain_cut_status(struct virtio_chain *chain)
{
	if (chain->n_writable == 0)
		return NULL;
	struct iovec *last = (struct iovec *)&chain->writable[chain->n_writable - 1];

	if (--last->iov_len == 0) /* no iovec is empty: walk.c leaves those out */
		chain->n_writable--;
	return (uint8_t *)last->iov_base + last->iov_len;
}
