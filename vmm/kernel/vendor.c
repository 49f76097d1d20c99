// SPDX-License-Identifier: GPL-2.0-only
/* What a distribution's kernels have in common, for one whose configuration is not at hand. */
#include <errno.h>
#include <string.h>

#include "vmm/kernel/config.h"

/* Where the version string says who built it (scripts/mkcompile_h: "(user@host)"). */
static const struct vendor {
	const char *name, *mark, *text;
} vendors[] = {
	/* amd64 and cloud-amd64, 6.1 and 6.12. VIRTIO, VIRTIO_CONSOLE and X86_MPPARSE are not the same in all of them.
	 */
	{ "Debian", "(debian-kernel@",
	  "CONFIG_X86_64=y\n"
	  "CONFIG_SMP=y\n"
	  "CONFIG_MODULES=y\n"
	  "CONFIG_BLK_DEV_INITRD=y\n"
	  "CONFIG_ACPI=y\n"
	  "CONFIG_PVH=y\n"
	  "CONFIG_PARAVIRT=y\n"
	  "CONFIG_KVM_GUEST=y\n"
	  "CONFIG_SERIAL_8250=y\n"
	  "CONFIG_SERIAL_8250_CONSOLE=y\n"
	  "# CONFIG_OF is not set\n"
	  "CONFIG_VIRTIO_MMIO=m\n"
	  "# CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES is not set\n"
	  "CONFIG_VIRTIO_BALLOON=m\n"
	  "CONFIG_VIRTIO_BLK=m\n"
	  "CONFIG_VIRTIO_NET=m\n"
	  "CONFIG_HW_RANDOM_VIRTIO=m\n"
	  "CONFIG_VIRTIO_VSOCKETS=m\n"
	  "CONFIG_PVPANIC_MMIO=m\n" },
};

int kconfig_guess(struct kconfig *config, const char *version)
{
	for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++) {
		if (!strstr(version, vendors[i].mark))
			continue;
		*config = (struct kconfig){ .source = KCONFIG_VENDOR,
					    .vendor = vendors[i].name,
					    .text = strdup(vendors[i].text),
					    .len = strlen(vendors[i].text) };
		if (config->text)
			return 0;
		kconfig_free(config);
		return -ENOMEM;
	}
	return -ENOENT;
}
