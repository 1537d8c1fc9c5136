// SPDX-License-Identifier: Apache-2.0 OR MIT
// Arm PL011 (DDI 0183). `base` is where its registers are seen. Speed stays as the firmware left
// it.
#pragma once

#include "dev/mmio.h"

enum {
	PL011_LCR_H = 0x2c,
	PL011_LCR_H_8N1_FIFO = 0x70,
	PL011_CR = 0x30,
	PL011_CR_ENABLE = 1 << 0,
	PL011_CR_TRANSMIT_RECEIVE = 3 << 8,
	PL011_DR = 0x00,
	PL011_FR = 0x18,
	PL011_FR_TXFF = 1 << 5,
};

static inline void pl011_open(uint64_t base)
{
	if ((mmio_read(base + PL011_CR) & PL011_CR_ENABLE) != 0)
		return;
	mmio_write(base + PL011_LCR_H, PL011_LCR_H_8N1_FIFO);
	mmio_write(base + PL011_CR, PL011_CR_TRANSMIT_RECEIVE | PL011_CR_ENABLE);
}

static inline void pl011_put(uint64_t base, char c)
{
	for (unsigned tries = 0;
	     tries < MMIO_TRIES && (mmio_read(base + PL011_FR) & PL011_FR_TXFF) != 0; tries++)
		;
	mmio_write(base + PL011_DR, (uint8_t)c);
}
