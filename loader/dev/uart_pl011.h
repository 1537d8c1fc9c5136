// SPDX-License-Identifier: Apache-2.0 OR MIT
// Arm PL011 (DDI 0183). `base` is where its registers are seen. Speed stays as the firmware left
// it.
#pragma once

#include "dev/mmio.h"

enum { PL011_DR = 0x00, PL011_FR = 0x18, PL011_FR_TXFF = 1 << 5 };

static inline void pl011_put(uint64_t base, char c)
{
	for (unsigned tries = 0;
	     tries < MMIO_TRIES && (mmio_read(base + PL011_FR) & PL011_FR_TXFF) != 0; tries++)
		;
	mmio_write(base + PL011_DR, (uint8_t)c);
}

// Switches it on when nobody has. What was typed meanwhile stays for the application.
void pl011_open(uint64_t base);
void pl011_write(uint64_t base, const char *bytes, size_t n);
