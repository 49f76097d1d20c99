// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/arch/x86/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/kernel/unpack.h"
#include "vmm/log.h"

int image_refuse(const struct image *image, const char *why)
{
	log_error("--kernel %s: %s", image->file.path, why);
	return -EINVAL;
}

static int read_head(struct image *image)
{
	memset(image->head, 0, sizeof(image->head));
	return image_read(image, 0, image->head, image->size < IMAGE_HEAD_SIZE ? image->size : IMAGE_HEAD_SIZE);
}

int image_open(struct image *image, const struct vm *vm)
{
	*image = (struct image){ .memory = &vm->memory, .ram_end = vm->memory.regions[0].size };
	int err = file_open(&image->file, "--kernel", vm->config->kernel);

	if (err)
		return err;
	image->size = image->file.size;
	return read_head(image);
}

void image_close(struct image *image)
{
	free(image->bytes);
	image->bytes = NULL;
	file_close(&image->file);
}

int image_read(const struct image *image, uint64_t offset, void *to, uint64_t len)
{
	if (!image->bytes)
		return file_read(&image->file, offset, to, len);
	memcpy(to, image->bytes + offset, len);
	return 0;
}

static int unpack_failed(const struct image *image, int err, const char *format, const char *what,
			 const char *otherwise)
{
	const char *path = image->file.path;

	if (err == -ENOTSUP && !format)
		log_error("--kernel %s: %s compressed in no way that minivmm knows; %s", path, what, otherwise);
	else if (err == -ENOTSUP)
		log_error("--kernel %s: %s compressed by %s in a way that minivmm does not unpack; %s", path, what,
			  format, otherwise);
	else if (err == -EILSEQ)
		log_error("--kernel %s: %s truncated or damaged (%s); copy it again", path, what, format);
	else if (err == -EFBIG)
		log_error("--kernel %s: %s compressed, and unpacked larger than the guest's RAM; raise --mem", path,
			  what);
	else
		log_error("--kernel %s: cannot unpack it: %s", path, strerror(-err));
	return err;
}

int image_unpack(struct image *image, uint64_t offset, uint64_t len, const char *what, const char *otherwise)
{
	struct unpacked unpacked = { 0 };
	uint8_t *packed;
	int err;

	if (len > image->memory->size) /* nor would what it unpacks to be less */
		return unpack_failed(image, -EFBIG, NULL, what, otherwise);
	packed = malloc(len ? len : 1);
	if (!packed)
		return unpack_failed(image, -ENOMEM, NULL, what, otherwise);
	err = image_read(image, offset, packed, len);
	if (!err) {
		err = unpack(packed, len, image->memory->size, &unpacked);
		if (err)
			unpack_failed(image, err, unpack_format(packed, len), what, otherwise);
	}
	free(packed);
	if (err)
		return err;
	free(image->bytes);
	image->bytes = unpacked.bytes;
	image->size = unpacked.size;
	return read_head(image);
}
