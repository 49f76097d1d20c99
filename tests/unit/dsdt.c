// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/dsdt.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/firmware.h"

/* What is left to read; the first error sticks, and behind it everything reads as zero. */
struct cursor {
	const uint8_t *at, *end;
	const char **wrong;
};

struct value {
	enum { INTEGER, STRING, BUFFER, PACKAGE } kind;
	uint64_t integer;
	const char *string;
	struct cursor content; /* a buffer's bytes */
	uint64_t elements[4];  /* the first of a package */
	unsigned n;
};

static void wrong(const struct cursor *in, const char *what)
{
	if (!*in->wrong)
		*in->wrong = what;
}

static uint64_t take(struct cursor *in, unsigned len)
{
	if (!*in->wrong && (size_t)(in->end - in->at) < len)
		wrong(in, "AML ends within something");
	if (*in->wrong)
		return 0;
	in->at += len;
	return firmware_number(in->at - len, len);
}

static bool left(const struct cursor *in)
{
	return !*in->wrong && in->at < in->end;
}

/* 20.2.4: what the package holds behind its length. */
static struct cursor take_package(struct cursor *in)
{
	const uint8_t *start = in->at;
	unsigned lead = (unsigned)take(in, 1), more = lead >> 6;
	uint64_t len = more ? (lead & 0xf) | take(in, more) << 4 : lead & 0x3f;

	if (more && (lead & 0x30))
		wrong(in, "reserved bits of a package length");
	if (!*in->wrong && (len < (size_t)(in->at - start) || len > (size_t)(in->end - start)))
		wrong(in, "a package length that leaves its surroundings");
	if (*in->wrong)
		return (struct cursor){ in->at, in->at, in->wrong };
	struct cursor content = { in->at, start + len, in->wrong };

	in->at = content.end;
	return content;
}

/* 20.2.2: a NameSeg */
static void take_name(struct cursor *in, char name[5])
{
	memset(name, 0, 5);
	for (unsigned i = 0; i < 4; i++) {
		char c = (char)take(in, 1);
		bool digit = c >= '0' && c <= '9';

		if (!(c >= 'A' && c <= 'Z') && c != '_' && !(digit && i > 0))
			wrong(in, "no name where there has to be one");
		name[i] = c;
	}
}

static uint64_t take_integer(struct cursor *in)
{
	switch (take(in, 1)) {
	case 0x00: return 0;
	case 0x01: return 1;
	case 0xff: return UINT64_MAX;
	case 0x0a: return take(in, 1);
	case 0x0b: return take(in, 2);
	case 0x0c: return take(in, 4);
	case 0x0e: return take(in, 8);
	default: wrong(in, "no integer where there has to be one"); return 0;
	}
}

static const char *take_string(struct cursor *in)
{
	const char *string = (const char *)in->at;

	for (uint64_t c = 1; c && !*in->wrong;) {
		c = take(in, 1);
		if (c > 0x7f)
			wrong(in, "a string that is not ASCII");
	}
	return string;
}

static struct value take_value(struct cursor *in)
{
	struct value value = { .kind = INTEGER };

	if (!left(in)) {
		wrong(in, "a name without a value");
		return value;
	}
	switch (*in->at) {
	case 0x0d:
		value.kind = STRING;
		in->at++;
		value.string = take_string(in);
		break;
	case 0x11:
		value.kind = BUFFER;
		in->at++;
		value.content = take_package(in);
		if (take_integer(&value.content) != (uint64_t)(value.content.end - value.content.at))
			wrong(in, "a buffer's size is not that of its bytes");
		break;
	case 0x12:
		value.kind = PACKAGE;
		in->at++;
		value.content = take_package(in);
		for (unsigned n = (unsigned)take(&value.content, 1); value.n < n && !*in->wrong; value.n++)
			value.elements[value.n % 4] = take_integer(&value.content);
		if (left(&value.content))
			wrong(in, "a package holds more than it says");
		break;
	default: value.integer = take_integer(in);
	}
	return value;
}

/* ACPI 6.4, 6.4: descriptors up to the end tag. */
static void read_resources(struct cursor in, struct dsdt_device *device)
{
	bool ended = false;

	while (left(&in) && !ended) {
		unsigned tag = (unsigned)take(&in, 1);
		unsigned len = tag & 0x80 ? (unsigned)take(&in, 2) : tag & 7;

		if (tag == 0x47 && len == 7) { /* an I/O port descriptor, 6.4.2.5 */
			unsigned decode = (unsigned)take(&in, 1);

			device->port = (uint16_t)take(&in, 2);
			if (take(&in, 2) != device->port || decode != 1)
				wrong(&in, "ports to choose from, or of 10 bits");
			take(&in, 1);
			device->ports = (uint16_t)take(&in, 1);
			device->n_ports++;
		} else if (tag == 0x86 && len == 9) { /* a 32-bit fixed memory range, 6.4.3.4 */
			if (take(&in, 1) != 1)
				wrong(&in, "registers that cannot be written");
			device->base = (uint32_t)take(&in, 4);
			device->len = (uint32_t)take(&in, 4);
			device->n_memory++;
		} else if (tag == 0x89 && len == 6) { /* an extended interrupt, 6.4.3.6 */
			device->interrupt_flags = (uint8_t)take(&in, 1);
			if (take(&in, 1) != 1)
				wrong(&in, "several interrupts");
			device->gsi = (uint32_t)take(&in, 4);
			device->n_interrupts++;
		} else if (tag == 0x79) { /* the end, 6.4.2.9: a checksum, or zero */
			take(&in, 1);
			ended = true;
		} else {
			wrong(&in, "a descriptor of no kind that is known");
		}
	}
	if (!ended || left(&in))
		wrong(&in, "resources without an end, or something behind it");
}

static void read_name(const char *name, const struct value *value, struct dsdt *dsdt, struct dsdt_device *device)
{
	if (!device) {
		if (strcmp(name, "_S5_") == 0 && value->kind == PACKAGE) {
			dsdt->n_s5 = value->n;
			memcpy(dsdt->s5, value->elements, sizeof(dsdt->s5));
		}
	} else if (strcmp(name, "_HID") == 0 && value->kind == STRING) {
		snprintf(device->hid, sizeof(device->hid), "%s", value->string);
	} else if (strcmp(name, "_HID") == 0) { /* 19.3.4: five bits a letter, in the other order of bytes */
		uint32_t id = __builtin_bswap32((uint32_t)value->integer);

		snprintf(device->hid, sizeof(device->hid), "%c%c%c%04X", '@' + (id >> 26 & 31), '@' + (id >> 21 & 31),
			 '@' + (id >> 16 & 31), id & 0xffff);
	} else if (strcmp(name, "_UID") == 0) {
		device->has_uid = true;
		device->uid = value->integer;
	} else if (strcmp(name, "_CRS") == 0 && value->kind == BUFFER) {
		read_resources(value->content, device);
	}
}

/* Two objects of a name in one scope are none (5.3). */
static struct dsdt_device *add_device(const struct cursor *in, struct dsdt *dsdt, const char *scope, const char *name)
{
	for (unsigned i = 0; i < dsdt->n_devices; i++)
		if (strcmp(dsdt->devices[i].name, name) == 0 && strcmp(dsdt->devices[i].scope, scope) == 0)
			wrong(in, "two devices of a name");
	if (dsdt->n_devices == DSDT_DEVICES_MAX) {
		wrong(in, "more devices than the reader takes");
		return NULL;
	}
	struct dsdt_device *device = &dsdt->devices[dsdt->n_devices++];

	memset(device, 0, sizeof(*device));
	strcpy(device->scope, scope);
	strcpy(device->name, name);
	return device;
}

static void read_in_device(struct cursor in, struct dsdt *dsdt, struct dsdt_device *device)
{
	char name[5];

	while (left(&in)) {
		if (take(&in, 1) != 0x08) {
			wrong(&in, "something in a device that is no name");
			return;
		}
		take_name(&in, name);
		const struct value value = take_value(&in);

		if (!*in.wrong)
			read_name(name, &value, dsdt, device);
	}
}

static void read_in_scope(struct cursor in, struct dsdt *dsdt, const char *scope)
{
	while (left(&in)) {
		if (take(&in, 1) != 0x5b || take(&in, 1) != 0x82) {
			wrong(&in, "something in a scope that is no device");
			return;
		}
		struct cursor content = take_package(&in);
		char name[5];

		take_name(&content, name);
		struct dsdt_device *device = *in.wrong ? NULL : add_device(&in, dsdt, scope, name);

		if (device)
			read_in_device(content, dsdt, device);
	}
}

const char *dsdt_read(const uint8_t *aml, size_t len, struct dsdt *dsdt)
{
	const char *error = NULL;
	struct cursor in = { aml, aml + len, &error };

	memset(dsdt, 0, sizeof(*dsdt));
	while (left(&in)) {
		unsigned op = (unsigned)take(&in, 1);
		struct cursor content;
		char name[5];

		if (op == 0x08) {
			take_name(&in, name);
			const struct value value = take_value(&in);

			if (!error)
				read_name(name, &value, dsdt, NULL);
		} else if (op == 0x10) {
			content = take_package(&in);
			if (take(&content, 1) != '\\')
				wrong(&in, "a scope that does not begin at the root");
			take_name(&content, name);
			read_in_scope(content, dsdt, name);
		} else {
			wrong(&in, "something that is neither scope nor name");
		}
	}
	return error;
}

unsigned dsdt_count(const struct dsdt *dsdt, const char *hid)
{
	unsigned n = 0;

	for (unsigned i = 0; i < dsdt->n_devices; i++)
		n += strcmp(dsdt->devices[i].hid, hid) == 0;
	return n;
}

const struct dsdt_device *dsdt_find(const struct dsdt *dsdt, const char *hid)
{
	for (unsigned i = 0; i < dsdt->n_devices; i++)
		if (strcmp(dsdt->devices[i].hid, hid) == 0)
			return &dsdt->devices[i];
	return NULL;
}
