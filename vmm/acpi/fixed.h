/* SPDX-License-Identifier: GPL-2.0-only */
/* ACPI's fixed hardware: the ports that the FADT names and devices/pm.c answers (ACPI 6.4, 4.8.3). */
#ifndef MINIVMM_ACPI_FIXED_H
#define MINIVMM_ACPI_FIXED_H

#define ACPI_PM1_PORT  0x600u /* PM1a: status and enable, then control */
#define ACPI_PM1_PORTS (ACPI_PM1_EVENT_LEN + ACPI_PM1_CONTROL_LEN)

#define ACPI_PM1_EVENT_LEN   4u
#define ACPI_PM1_STATUS      0u
#define ACPI_PM1_ENABLE      2u
#define ACPI_PM1_CONTROL     4u
#define ACPI_PM1_CONTROL_LEN 2u

/* Bits of the control register, and the sleep type that \_S5 says is the one with the power off. */
#define ACPI_SCI_EN         (1u << 0)
#define ACPI_SLP_TYP(value) (((value) >> 10) & 7u)
#define ACPI_SLP_EN         (1u << 13)
#define ACPI_S5             5u

/* The interrupt of fixed events; there are none, but the FADT has to name one. */
#define ACPI_SCI_GSI 9u

/* FADT's reset register is the keyboard controller's: what x86 systems knew before there was ACPI. */
#define ACPI_RESET_PORT  0x64u
#define ACPI_RESET_VALUE 0xfeu

#endif
