/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What virtio 1.2 asks of a device on virtio-mmio with split rings, numbered, with the clause that says so. Unit tests
 * and payloads take their names from here, and scripts/conformance takes number, rule and clause from those names.
 *
 * "answer to a driver that" marks a driver's breach of a rule: the standard leaves the device's answer open, and this
 * is the one that minivmm gives.
 */
#ifndef TESTS_ITEMS_H
#define TESTS_ITEMS_H

/* --- the transport ------------------------------------------------------------------------------------------------ */
#define ITEM_1  "item 1: MagicValue is 0x74726976 (4.2.2.1)"
#define ITEM_2  "item 2: Version is 2 (4.2.2.1)"
#define ITEM_3  "item 3: DeviceID is the device type, 0 for a placeholder (4.2.2)"
#define ITEM_4  "item 4: VendorID is readable (4.2.2)"
#define ITEM_5  "item 5: DeviceFeatures is the word that DeviceFeaturesSel selects, 0 beyond the last (4.2.2)"
#define ITEM_6  "item 6: DriverFeatures goes to the word that DriverFeaturesSel selects and to no other (4.2.2)"
#define ITEM_7  "item 7: QueueSel selects whose registers the queue registers are (4.2.2)"
#define ITEM_8  "item 8: QueueNumMax is 0 for a queue that is not there (4.2.2)"
#define ITEM_9  "item 9: QueueReady reads back what was written (4.2.2)"
#define ITEM_10 "item 10: a ring whose QueueReady is 0 is not accessed (4.2.2.1)"
#define ITEM_11 "item 11: InterruptStatus bit 0 is a used buffer, bit 1 a configuration change (4.2.2)"
#define ITEM_12 "item 12: an interrupt bit stays set from its event until InterruptACK (4.2.2.1)"
#define ITEM_13 "item 13: interrupt bits of events that did not take place are 0 (4.2.2.1)"
#define ITEM_14 "item 14: InterruptACK clears the bits that are written and no other (4.2.2)"
#define ITEM_15 "item 15: the interrupt is asserted for each bit that becomes set (4.2.3.4)"
#define ITEM_16 "item 16: reset clears InterruptStatus and QueueReady of every queue (4.2.2.1)"
#define ITEM_17 "item 17: writing 0 to Status resets the device (4.2.2)"
#define ITEM_18 "item 18: ConfigGeneration changes when the configuration space does (4.2.2.1)"
#define ITEM_19 "item 19: ConfigGeneration is the same while nothing changes (4.2.2)"
#define ITEM_20 "item 20: the configuration space is little-endian and accessed at any byte (4.2.2)"
#define ITEM_21 "item 21: registers are little-endian (4.2.2)"
#define ITEM_22 "item 22: QueueNotify takes the index of a queue (4.2.2)"
#define ITEM_23 "item 23: a shared memory region that is not there has length -1 and a base of all ones (4.2.2)"
#define ITEM_24 "item 24: QueueReset is 0 after a reset of the device (4.2.2.1)"
#define ITEM_25 "item 25: QueueReset is 0 after the queue was enabled (4.2.2.1)"
#define ITEM_26 "item 26: writing 1 to QueueReset resets that queue, then QueueReset and QueueReady are 0 (4.2.2.1)"
#define ITEM_27 "item 27: there is no legacy interface: its registers do nothing, its driver is refused (4.2.4)"
#define ITEM_28 "item 28: answer to a driver that accesses a register by parts: reads 0, writes nothing (4.2.2.2)"
#define ITEM_29 "item 29: answer to a driver that accesses no register or in the wrong direction: the same (4.2.2.2)"
#define ITEM_30 "item 30: answer to a driver that goes past the end of the configuration space: the same (4.2.2.2)"
#define ITEM_31 "item 31: answer to a driver that writes the registers of a ready queue: they are frozen (4.2.2.2)"

/* --- status, features, configuration ------------------------------------------------------------------------------ */
#define ITEM_32 "item 32: status is 0 at the start and after a reset (2.4.1)"
#define ITEM_33 "item 33: no buffer is consumed and no notification sent before DRIVER_OK (2.1.2)"
#define ITEM_34 "item 34: DEVICE_NEEDS_RESET is set on an error that only a reset ends (2.1.2)"
#define ITEM_35 "item 35: DEVICE_NEEDS_RESET with DRIVER_OK sends a configuration change notification (2.1.2)"
#define ITEM_36 "item 36: after a reset there is no notification and no access to a queue (2.4.1)"
#define ITEM_37 "item 37: no feature is offered without the one that it requires (2.2.2)"
#define ITEM_38 "item 38: a valid subset of features is accepted, anything else fails to set FEATURES_OK (2.2.2)"
#define ITEM_39 "item 39: no reserved bit and no unsupported one is offered (2.2)"
#define ITEM_40 "item 40: features that were accepted once are accepted again after a reset (2.2.2)"
#define ITEM_41 "item 41: VERSION_1 is offered, a driver without it is refused (6.2)"
#define ITEM_42 "item 42: SR_IOV is not offered by what is no PCI device (6.2)"
#define ITEM_43 "item 43: the configuration space is readable before FEATURES_OK (2.5.2)"
#define ITEM_44 "item 44: a configuration change is notified (2.3)"
#define ITEM_45 "item 45: answer to a driver that writes features after FEATURES_OK: they stay as they were (3.1.1)"

/* --- the split ring ----------------------------------------------------------------------------------------------- */
#define ITEM_46 "item 46: how a buffer is cut into descriptors makes no difference (2.7.4.1)"
#define ITEM_47 "item 47: a readable buffer is not written (2.7.5.1)"
#define ITEM_48 "item 48: the descriptor table is not written (2.7.5.1)"
#define ITEM_49 "item 49: WRITE is ignored on a descriptor that refers to an indirect table (2.7.5.3.2)"
#define ITEM_50 "item 50: direct descriptors may be followed by one indirect table (2.7.5.3.2)"
#define ITEM_51 "item 51: areas aligned to 16, 2 and 4 and every power of two up to QueueNumMax will do (2.7)"
#define ITEM_52 "item 52: avail.idx is free-running and wraps at 65536 (2.7.6)"
#define ITEM_53 "item 53: the id of a used element is the head of its chain (2.7.8)"
#define ITEM_54 "item 54: len is set before used.idx (2.7.8.2)"
#define ITEM_55 "item 55: at least len bytes are written, from the first writable one on, before used.idx (2.7.8.2)"
#define ITEM_56 "item 56: without EVENT_IDX used_event is ignored, flags 0 notifies (2.7.7.2)"
#define ITEM_57 "item 57: without EVENT_IDX flags 1 does not notify (2.7.7.2)"
#define ITEM_58 "item 58: with EVENT_IDX flags is ignored, the entry at used_event notifies (2.7.7.2)"
#define ITEM_59 "item 59: used.flags is 0 or 1 (2.7.10.2)"
#define ITEM_60 "item 60: with EVENT_IDX used.flags is 0 (2.7.10.2)"
#define ITEM_61 "item 61: notifications without a buffer are harmless (2.7.10.2)"
#define ITEM_62 "item 62: no buffer is missed that was added while kicks were being asked for again (2.7.13.4)"
#define ITEM_63 "item 63: IN_ORDER is kept where negotiated: it is not offered, and refused (2.7.9)"
#define ITEM_64 "item 64: a queue that was reset is served no more, and is as it was at the start (2.6.1.1.1)"
#define ITEM_65 "item 65: a queue that is enabled again works by its new values (2.6.1.2.1)"

#endif
