// SPDX-License-Identifier: GPL-2.0-only
#include "devices/devices.h"

#include <errno.h>
#include <string.h>

#include "devices/virtio/core.h"
#include "devices/virtio/mmio.h"
#include "vmm/vm.h"

#define DEFAULT_DEVICE "test"
#define NO_DEVICE      "none"

/* The machine's own window, the first. Apart, since Linux maps the system controller as a whole. */
#define OWN_WINDOW  0x1000u
#define OWN_POWER   0x0u
#define OWN_PVPANIC 0x100u

static size_t name_len(const char *spec)
{
	return strcspn(spec, ",");
}

static const struct virtio_class *find_class(const char *spec)
{
	const struct virtio_class *class = virtio_class_find(spec, name_len(spec));

	if (!class)
		log_error("--device: there is no device '%.*s'; \"--device help\" lists them", (int)name_len(spec),
			  spec);
	return class;
}

bool devices_help(const char *spec)
{
	const char *options = spec + name_len(spec);

	if (strcmp(spec, "help") == 0 || strcmp(spec, "?") == 0) {
		puts("devices for --device NAME[,key=value...]; \"NAME,help\" lists the keys:");
		virtio_classes_list(stdout);
		printf("  %-12s no device; without any --device there is one \"" DEFAULT_DEVICE "\"\n", NO_DEVICE);
		return true;
	}
	const struct virtio_class *class = virtio_class_find(spec, name_len(spec));

	if (!class || strcmp(options, ",help") != 0)
		return false;
	virtio_class_help(class, stdout);
	return true;
}

bool devices_driver(unsigned n, struct device_driver *driver)
{
	const struct virtio_class *class = virtio_class_at(n);

	if (!class)
		return false;
	*driver = (struct device_driver){ class->name, class->linux_option, class->linux_module };
	return true;
}

/* How many devices of its class come before number `at` on the command line. */
static unsigned count_before(const struct vm_config *config, unsigned at)
{
	unsigned count = 0;

	for (unsigned i = 0; i < at; i++)
		if (name_len(config->devices[i]) == name_len(config->devices[at]) &&
		    memcmp(config->devices[i], config->devices[at], name_len(config->devices[at])) == 0)
			count++;
	return count;
}

static int create_one(struct vm *vm, const char *spec, unsigned index)
{
	const struct virtio_class *class = find_class(spec);
	const char *options = spec + name_len(spec);
	struct virtio_dev *dev;

	if (!class)
		return -EINVAL;
	if (class->single && index > 0) {
		log_error("--device %s: only one %s device is supported", class->name, class->name);
		return -EEXIST;
	}
	int err = virtio_create(&dev, vm, class, index, *options ? options + 1 : NULL);

	return err ? err : virtio_mmio_attach(vm, dev);
}

int devices_create(struct vm *vm)
{
	const struct vm_config *config = vm->config;
	uint64_t own;
	int err = vm_alloc_mmio(vm, OWN_WINDOW, &own);

	if (err) {
		log_error("the machine's own registers: %s", strerror(-err));
		return err;
	}
	err = power_create(vm, own + OWN_POWER);
	if (!err)
		err = pvpanic_create(vm, own + OWN_PVPANIC);
	if (!err && vm->discovery == DISCOVERY_ACPI)
		err = pm_create(vm);
	if (!err)
		err = serial_create(vm);
	if (!err && config->n_devices == 0)
		return create_one(vm, DEFAULT_DEVICE, 0);
	for (unsigned i = 0; i < config->n_devices && !err; i++)
		if (strcmp(config->devices[i], NO_DEVICE) != 0)
			err = create_one(vm, config->devices[i], count_before(config, i));
	return err;
}
