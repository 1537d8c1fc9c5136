// SPDX-License-Identifier: Apache-2.0 OR MIT
// Cadence UART of Zynq and Zynq UltraScale+ (UG1085, chapter 21). `base` is where its registers are
// seen. Speed stays as the firmware left it.
#pragma once

#include "dev/mmio.h"

enum { CADENCE_SR = 0x2c, CADENCE_SR_TXFULL = 1 << 4, CADENCE_FIFO = 0x30 };

static inline void cadence_put(uint64_t base, char c)
{
	for (unsigned tries = 0;
	     tries < MMIO_TRIES && (mmio_read(base + CADENCE_SR) & CADENCE_SR_TXFULL) != 0; tries++)
		;
	mmio_write(base + CADENCE_FIFO, (uint8_t)c);
}

// Switches it on when nobody has.
void cadence_open(uint64_t base);
void cadence_write(uint64_t base, const char *bytes, size_t n);
