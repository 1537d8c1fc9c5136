// SPDX-License-Identifier: Apache-2.0 OR MIT
// Access to 32-bit device registers. The devices of this loader are little-endian on a big-endian
// CPU as well.
//
// `at` is an address as the CPU sees it, a multiple of 4. `volatile` keeps width, number and order
// of the accesses in the compiler, the device memory type keeps them in the CPU.
#pragma once

#include "core/span.h"

static inline uint32_t mmio_order(uint32_t value)
{
	return ORDER_NATIVE == ORDER_LITTLE ? value : __builtin_bswap32(value);
}

static inline uint32_t mmio_read(uint64_t at)
{
	return mmio_order(*(const volatile uint32_t *)at);
}

static inline void mmio_write(uint64_t at, uint32_t value)
{
	*(volatile uint32_t *)at = mmio_order(value);
}

// Reads of a status register before a UART is considered stuck. A full FIFO drains in fewer at 9600
// baud.
#define MMIO_TRIES 0x100000
