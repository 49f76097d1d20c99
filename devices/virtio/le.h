/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Little-endian numbers as they lie in guest memory and configuration space (virtio 1.2, 1.4). They are types of their
 * own, so that the compiler refuses one where a number of the host is meant.
 */
#ifndef MINIVMM_VIRTIO_LE_H
#define MINIVMM_VIRTIO_LE_H

#include <endian.h>
#include <stdint.h>

struct le16 {
	uint16_t raw;
};
struct le32 {
	uint32_t raw;
};
struct le64 {
	uint64_t raw;
};

static inline uint16_t le16_get(struct le16 le)
{
	return le16toh(le.raw);
}
static inline uint32_t le32_get(struct le32 le)
{
	return le32toh(le.raw);
}
static inline uint64_t le64_get(struct le64 le)
{
	return le64toh(le.raw);
}
static inline struct le16 le16_from(uint16_t value)
{
	return (struct le16){ htole16(value) };
}
static inline struct le32 le32_from(uint32_t value)
{
	return (struct le32){ htole32(value) };
}
static inline struct le64 le64_from(uint64_t value)
{
	return (struct le64){ htole64(value) };
}

#endif
