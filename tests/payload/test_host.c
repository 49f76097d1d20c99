// SPDX-License-Identifier: GPL-2.0-only
/* What a device has to ask of its host's kernel while the guest runs: of a tap, of vhost. */
#include "tests/payload/any.h"

#define NOWHERE 0xfee00000u /* no RAM */

static struct any any;
static uint8_t bytes[16], answer[16];

/* A command with a number for its data, on the last queue: virtio 1.2, 5.1.6.5. 0 is VIRTIO_NET_OK. */
static bool control(uint8_t class, uint32_t value, uint32_t len)
{
	unsigned q = any.n_queues - 1;

	memset(bytes, 0, sizeof(bytes));
	memset(answer, 0xee, sizeof(answer));
	bytes[0] = class;
	bytes[2] = (uint8_t)value;
	any_desc(&any, q, 0, (uintptr_t)bytes, 2 + len, VRING_DESC_F_NEXT, 1);
	any_desc(&any, q, 1, (uintptr_t)answer, 1, VRING_DESC_F_WRITE, 0);
	any_add(&any, q, 0);
	return any_answer(&any, q) == ANSWER_USED && *(volatile uint8_t *)answer == 0;
}

static void tap(void)
{
	check(control(4, 2, 2) && control(4, 1, 2) && control(4, 2, 2), "pairs of queues come and go");
	check(control(5, 0, 8) && control(5, 1u << 1, 8), "so does what may be left to the driver");
}

static void vhost(void)
{
	any_desc(&any, 1, 0, NOWHERE, 44, 0, 0);
	any_add(&any, 1, 0);
	check(any_answer(&any, 1) == ANSWER_FAILED, "a buffer that is no RAM costs the device");
	check(any_up(&any), "which comes up again");
}

void payload(void)
{
	check(any_find(&any, 0) && any_up(&any), "a device");
	if (any.id == VIRTIO_ID_NET)
		tap();
	else
		vhost();
}
