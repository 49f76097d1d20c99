// SPDX-License-Identifier: GPL-2.0-only
/* What a guest sees of the items of tests/items.h; conform.h says on which machines, conform_*.c what it does. */
#include "tests/payload/conform.h"

static const char *number(const char *text, unsigned base, uint64_t *value)
{
	for (*value = 0;; text++) {
		unsigned digit = *text >= '0' && *text <= '9' ? (unsigned)(*text - '0') :
				 *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a') + 10 :
								base;

		if (digit >= base)
			return text;
		*value = *value * base + digit;
	}
}

/* The n-th "virtio_mmio.device=SIZE@0xADDRESS:PIN" of the command line, as Linux's driver takes it. */
static bool on_cmdline(unsigned n, struct dut *dut)
{
	static const char key[] = "virtio_mmio.device=";
	const char *at = (const char *)(uintptr_t)boot_params->hdr.cmd_line_ptr;
	uint64_t pin;

	for (; *at; at++) {
		if (memcmp(at, key, sizeof(key) - 1) != 0 || n-- > 0)
			continue;
		while (*at && *at != '@')
			at++;
		if (memcmp(at, "@0x", 3) != 0)
			return false;
		at = number(at + 3, 16, &dut->base);
		if (*at != ':')
			return false;
		number(at + 1, 10, &pin);
		dut->pin = (unsigned)pin;
		return true;
	}
	return false;
}

/* The n-th register window that the machine tells of, in its device tree or on the command line. */
static bool transport(unsigned n, struct dut *dut)
{
	struct node node;

	if (!boot_params->hdr.setup_data)
		return on_cmdline(n, dut);
	if (!tree_find("virtio,mmio", n, &node))
		return false;
	dut->base = node.address;
	dut->pin = node.pin;
	return true;
}

void payload(void)
{
	struct dut found;

	for (unsigned n = 0; transport(n, &found); n++) {
		uint32_t type = read32(found.base + VIRTIO_MMIO_DEVICE_ID);
		struct dut *dut = type == VIRTIO_ID_RNG && rng.base ? &second_rng :
				  type == VIRTIO_ID_RNG             ? &rng :
				  type == VIRTIO_ID_BALLOON         ? &balloon :
				  type == VIRTIO_ID_BLOCK           ? &disk :
				  type == VIRTIO_ID_TEST            ? &ticker :
								      NULL;

		if (dut) {
			dut->base = found.base;
			dut->pin = found.pin;
		}
	}
	if (!rng.base || !second_rng.base || !balloon.base || !disk.base) {
		print("Bail out! two entropy devices, a balloon and a disk are needed\n");
		return;
	}
	interrupts_init();
	conform_status(); /* which begins with the status at the start */
	conform_mmio();
	conform_access();
	conform_ring();
}
