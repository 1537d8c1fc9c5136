// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "dev/uart_cadence.h"

enum {
	CR = 0x00,
	CR_RESET_QUEUES = 3 << 0,
	CR_RECEIVE = 1 << 2,
	CR_TRANSMIT = 1 << 4,
	CR_TRANSMIT_OFF = 1 << 5,
	MR = 0x04,
	MR_8N1 = 0x20,
};

void cadence_open(uint64_t base)
{
	if ((mmio_read(base + CR) & (CR_TRANSMIT | CR_TRANSMIT_OFF)) == CR_TRANSMIT)
		return;
	mmio_write(base + MR, MR_8N1);
	mmio_write(base + CR, CR_RESET_QUEUES | CR_RECEIVE | CR_TRANSMIT);
}

void cadence_write(uint64_t base, const char *bytes, size_t n)
{
	while (n-- > 0)
		cadence_put(base, *bytes++);
}
