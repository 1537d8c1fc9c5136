// SPDX-License-Identifier: Apache-2.0 OR MIT
// QEMU's exit device for PCs.
#pragma once

#include "dev/port_io.h"

enum { ISA_DEBUG_EXIT = 0xf4 };

// QEMU's isa-debug-exit ends QEMU with (value << 1) | 1: `number` is odd. Returns when the device
// is absent: it reads as 0, nothing as 0xff.
static inline void isa_debug_exit(unsigned number)
{
	if (port_read8(ISA_DEBUG_EXIT) == 0)
		__asm__ volatile("outl %0, %1"
				 :
				 : "a"(number >> 1), "Nd"((uint16_t)ISA_DEBUG_EXIT));
}
