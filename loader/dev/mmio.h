// SPDX-License-Identifier: Apache-2.0 OR MIT
// Registers of devices: 32 bits wide, little-endian whatever the CPU's order.
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

// How often a device is asked whether it takes a byte: enough for a full queue at 9600 baud, and an
// end for one that is stuck.
#define MMIO_TRIES 0x100000
