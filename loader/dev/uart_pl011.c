// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "dev/uart_pl011.h"

enum {
	LCR_H = 0x2c,
	LCR_H_8N1_FIFO = 0x70,
	CR = 0x30,
	CR_ENABLE = 1 << 0,
	CR_TRANSMIT_RECEIVE = 3 << 8,
};

void pl011_open(uint64_t base)
{
	if ((mmio_read(base + CR) & CR_ENABLE) != 0)
		return;
	mmio_write(base + LCR_H, LCR_H_8N1_FIFO);
	mmio_write(base + CR, CR_TRANSMIT_RECEIVE | CR_ENABLE);
}

void pl011_write(uint64_t base, const char *bytes, size_t n)
{
	while (n-- > 0)
		pl011_put(base, *bytes++);
}
