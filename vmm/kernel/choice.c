// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/kernel/choice.h"

#include <stdio.h>
#include <string.h>

#include "vmm/kernel/facts.h"

const char *const discovery_names[DISCOVERY_COUNT] = {
	[DISCOVERY_AUTO] = "auto", [DISCOVERY_DT] = "dt", [DISCOVERY_ACPI] = "acpi", [DISCOVERY_CMDLINE] = "cmdline"
};

/*
 * What Linux needs of its configuration for each way, the most telling first. Alike in 6.1 and 6.12: drivers/of/Kconfig
 * makes OF_EARLY_FLATTREE of OF on x86; drivers/virtio/virtio_mmio.c knows "virtio,mmio", LNRO0005 and device=, which
 * is a parameter of the module where it is one.
 */
static const char *const needs[DISCOVERY_COUNT][3] = {
	[DISCOVERY_DT] = { "CONFIG_OF", "CONFIG_VIRTIO_MMIO" },
	[DISCOVERY_ACPI] = { "CONFIG_ACPI", "CONFIG_VIRTIO_MMIO" },
	[DISCOVERY_CMDLINE] = { "CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES", "CONFIG_VIRTIO_MMIO" },
};

const char *discovery_missing(const struct kconfig *config, enum discovery how, bool *sure)
{
	*sure = true;
	for (const char *const *need = needs[how]; *need; need++) {
		char value = kconfig_value(config, *need);

		if (value == 'n')
			return *need;
		if (value == '?')
			*sure = false;
	}
	return NULL;
}

static void explain(const struct kernel_facts *facts, bool by_pvh, struct discovery_choice *choice)
{
	const char *how = discovery_names[choice->how], *missing;
	char name[128], *why = choice->why;
	size_t size = sizeof(choice->why);
	bool sure;

	*why = '\0';
	if (!facts->version[0] && facts->config.source == KCONFIG_NONE)
		return;
	kconfig_name(&facts->config, name, sizeof(name));
	missing = discovery_missing(&facts->config, choice->how, &sure);
	if (missing)
		snprintf(why, size, "discovery: %s, but no virtio device will be found: %s has no %s", how, name,
			 missing);
	else if (!sure)
		snprintf(why, size,
			 "discovery: %s, as nothing tells of the kernel's configuration; --discovery chooses", how);
	else if (choice->how == DISCOVERY_DT)
		snprintf(why, size, "discovery: dt, since %s has CONFIG_OF", name);
	else if (by_pvh)
		snprintf(why, size, "discovery: %s, since a kernel that is entered by PVH gets no device tree", how);
	else if (choice->how == DISCOVERY_ACPI)
		snprintf(why, size, "discovery: acpi, since %s has no CONFIG_OF", name);
	else
		snprintf(why, size, "discovery: cmdline, since %s has neither CONFIG_OF nor CONFIG_ACPI", name);
}

void discovery_of(const struct kernel_facts *facts, bool by_pvh, struct discovery_choice *choice)
{
	enum discovery first = by_pvh ? DISCOVERY_ACPI : DISCOVERY_DT;
	bool sure;

	choice->how = first;
	for (enum discovery how = first; how < DISCOVERY_COUNT; how++) {
		if (!discovery_missing(&facts->config, how, &sure)) {
			choice->how = how;
			break;
		}
	}
	explain(facts, by_pvh, choice);
}

int discovery_choose(const char *kernel, bool by_pvh, struct discovery_choice *choice)
{
	struct kernel_facts facts;
	int err = facts_open(&facts, "--kernel", kernel);

	if (err)
		return err;
	err = facts_find_config(&facts);
	if (!err)
		discovery_of(&facts, by_pvh || facts_only_pvh(&facts), choice);
	facts_close(&facts);
	return err;
}
