// SPDX-License-Identifier: GPL-2.0-only
/* ACPI tables of an x86 machine: its processors, interrupt controllers and fixed hardware; and where they lie. */
#include <asm/bootparam.h>
#include <stdio.h>
#include <string.h>

#include "vmm/acpi/aml.h"
#include "vmm/acpi/fixed.h"
#include "vmm/acpi/tables.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/pvh.h"
#include "vmm/log.h"
#include "vmm/vm.h"

/* --- FACS, FADT (ACPI 6.4, 5.2.10, 5.2.9) ------------------------------------------------------------------------- */

/* What a system that sleeps would be woken by; ours does not, but full hardware has one. */
struct facs {
	char signature[4];
	uint32_t length, hardware_signature, waking_vector, global_lock, flags;
	uint64_t x_waking_vector;
	uint8_t version, reserved[31];
} __attribute__((packed));
_Static_assert(sizeof(struct facs) == 64, "ACPI 6.4, table 5-15");
#define FACS_ALIGN   64u
#define FACS_VERSION 2u

struct fadt {
	struct acpi_header header;
	uint32_t facs, dsdt;
	uint8_t reserved0, preferred_profile;
	uint16_t sci_interrupt;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios_request, pstate_control;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
	uint8_t pm1_event_len, pm1_control_len, pm2_control_len, pm_timer_len, gpe0_len, gpe1_len, gpe1_base;
	uint8_t cstate_control;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_arch;
	uint8_t reserved1;
	uint32_t flags;
	struct acpi_address reset;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_revision;
	uint64_t x_facs, x_dsdt;
	struct acpi_address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control, x_pm_timer,
		x_gpe0, x_gpe1, sleep_control, sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));
_Static_assert(sizeof(struct fadt) == 276, "ACPI 6.4, table 5-9");
#define FADT_REVISION 6
#define FADT_MINOR    4

/* Table 5-10 */
#define FADT_WBINVD       (1u << 0)
#define FADT_PROC_C1      (1u << 2)
#define FADT_POWER_BUTTON (1u << 4) /* there is none of the fixed hardware; the same for the next */
#define FADT_SLEEP_BUTTON (1u << 5)
#define FADT_FIX_RTC      (1u << 6)
#define FADT_RESET        (1u << 10)
#define FADT_HEADLESS     (1u << 12)

/* Table 5-11: what a guest need not look for. No keyboard controller either: the bit for one is not set. */
#define BOOT_ARCH_NO_VGA  (1u << 2)
#define BOOT_ARCH_NO_MSI  (1u << 3)
#define BOOT_ARCH_NO_CMOS (1u << 5)

#define LATENCY_NONE 0xffffu /* above what C2 and C3 may have: there is neither */

static struct acpi_address port(uint32_t number, uint8_t len)
{
	return (struct acpi_address){ .space = ACPI_SPACE_IO,
				      .bits = (uint8_t)(8 * len),
				      .access = len == 1 ? ACPI_ACCESS_BYTE : ACPI_ACCESS_WORD,
				      .address = number };
}

/*
 * Full hardware, not the reduced one: a guest that is told of reduced hardware gives up the PIT and the PICs, and a
 * kernel without kvm-clock is then left without any clock to begin with.
 */
static void add_fadt(struct acpi_area *area)
{
	struct facs *facs = acpi_reserve(area, "facs", sizeof(*facs), FACS_ALIGN);
	struct fadt *fadt = acpi_reserve(area, "facp", sizeof(*fadt), ACPI_TABLE_ALIGN);
	const uint32_t event = ACPI_PM1_PORT, control = ACPI_PM1_PORT + ACPI_PM1_CONTROL;

	if (!facs || !fadt)
		return;
	*facs = (struct facs){ .length = sizeof(*facs), .version = FACS_VERSION };
	memcpy(facs->signature, "FACS", sizeof(facs->signature));
	*fadt = (struct fadt){
		/* below 4 GiB: the older fields can tell them, and both would be one too many */
		.facs = (uint32_t)acpi_gpa(area, "facs"),
		.x_dsdt = acpi_gpa(area, "dsdt"),
		.dsdt = (uint32_t)acpi_gpa(area, "dsdt"),
		.sci_interrupt = ACPI_SCI_GSI,
		.pm1a_event = event,
		.pm1a_control = control,
		.pm1_event_len = ACPI_PM1_EVENT_LEN,
		.pm1_control_len = ACPI_PM1_CONTROL_LEN,
		.c2_latency = LATENCY_NONE,
		.c3_latency = LATENCY_NONE,
		.boot_arch = BOOT_ARCH_NO_VGA | BOOT_ARCH_NO_MSI | BOOT_ARCH_NO_CMOS,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_POWER_BUTTON | FADT_SLEEP_BUTTON | FADT_FIX_RTC |
			 FADT_RESET | FADT_HEADLESS,
		.reset = port(ACPI_RESET_PORT, 1),
		.reset_value = ACPI_RESET_VALUE,
		.minor_revision = FADT_MINOR,
		.x_pm1a_event = port(event, ACPI_PM1_EVENT_LEN),
		.x_pm1a_control = port(control, ACPI_PM1_CONTROL_LEN),
	};
	acpi_seal(&fadt->header, "FACP", FADT_REVISION, sizeof(*fadt));
}

/* --- MADT (ACPI 6.4, 5.2.12) -------------------------------------------------------------------------------------- */

struct madt_lapic {
	uint8_t type, length, processor, apic_id;
	uint32_t flags;
} __attribute__((packed));
struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} __attribute__((packed));
struct madt_override {
	uint8_t type, length, bus, source;
	uint32_t gsi;
	uint16_t flags;
} __attribute__((packed));
struct madt_nmi {
	uint8_t type, length, processor;
	uint16_t flags;
	uint8_t lint;
} __attribute__((packed));

struct madt {
	struct acpi_header header;
	uint32_t lapic, flags;
	struct madt_ioapic ioapic;
	struct madt_override sci;
	struct madt_nmi nmi;
	struct madt_lapic cpus[];
} __attribute__((packed));
_Static_assert(sizeof(struct madt) == 44 + 12 + 10 + 6, "ACPI 6.4, 5.2.12.3, 5.2.12.5, 5.2.12.7");

#define MADT_REVISION    5
#define MADT_PCAT_COMPAT 1u /* there are two 8259 too */
#define MADT_CPU_ENABLED 1u
#define MADT_LAPIC       0u
#define MADT_IOAPIC      1u
#define MADT_OVERRIDE    2u
#define MADT_NMI         4u
#define MADT_ALL_CPUS    0xffu
#define MADT_LEVEL_HIGH  0xdu /* of the MPS INTI flags: active high, level-triggered */

static void add_madt(struct acpi_area *area, const struct vm *vm)
{
	unsigned cpus = vm->config->cpus;
	size_t len = sizeof(struct madt) + cpus * sizeof(struct madt_lapic);
	struct madt *madt = acpi_reserve(area, "apic", len, ACPI_TABLE_ALIGN);

	if (!madt)
		return;
	*madt = (struct madt){
		.lapic = X86_LAPIC,
		.flags = MADT_PCAT_COMPAT,
		.ioapic = { MADT_IOAPIC, sizeof(madt->ioapic), X86_IOAPIC_ID, 0, X86_IOAPIC, 0 },
		.sci = { MADT_OVERRIDE, sizeof(madt->sci), 0, ACPI_SCI_GSI, ACPI_SCI_GSI, MADT_LEVEL_HIGH },
		.nmi = { MADT_NMI, sizeof(madt->nmi), MADT_ALL_CPUS, 0, 1 },
	};
	for (unsigned i = 0; i < cpus; i++)
		madt->cpus[i] = (struct madt_lapic){ MADT_LAPIC, sizeof(madt->cpus[i]), (uint8_t)i, (uint8_t)i,
						     MADT_CPU_ENABLED };
	acpi_seal(&madt->header, "APIC", MADT_REVISION, len);
}

void arch_describe_acpi(const struct vm *vm, struct aml *aml)
{
	for (unsigned i = 0; i < vm->config->cpus; i++) {
		char name[16];

		snprintf(name, sizeof(name), "C%03u", i);
		aml_device(aml, name);
		aml_name_string(aml, "_HID", "ACPI0007"); /* a processor device (8.4) */
		aml_name_integer(aml, "_UID", i);         /* MADT's processor */
		aml_end(aml);
	}
}

int arch_place_acpi(struct vm *vm, struct acpi_area *area)
{
	static const char *const listed[] = { "facp", "apic" };
	struct boot_params *params = mem_ptr(&vm->memory, X86_BOOT_PARAMS, sizeof(*params));

	*area = (struct acpi_area){ .host = mem_ptr(&vm->memory, X86_ACPI, X86_ACPI_END - X86_ACPI),
				    .gpa = X86_ACPI,
				    .size = X86_ACPI_END - X86_ACPI };
	int err = acpi_describe(area, vm);

	if (!err) {
		add_fadt(area);
		add_madt(area, vm);
		err = acpi_root(area, listed, sizeof(listed) / sizeof(listed[0]));
	}
	if (err) {
		log_error("the ACPI tables: %s; use fewer devices", strerror(-err));
		return err;
	}
	params->acpi_rsdp_addr = acpi_gpa(area, ACPI_RSDP);
	if (vm->boot.path == BOOT_PVH) {
		struct pvh_start_info *info = mem_ptr(&vm->memory, X86_PVH_START_INFO, sizeof(*info));

		info->rsdp_paddr = params->acpi_rsdp_addr;
	}
	return 0;
}
