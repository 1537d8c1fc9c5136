// SPDX-License-Identifier: Apache-2.0 OR MIT
// The exit device of PCs in QEMU: `-device isa-debug-exit,iobase=0xf4,iosize=0x04`.
#pragma once

#include "dev/port_io.h"

enum { ISA_DEBUG_EXIT = 0xf4 };

// Ends QEMU with exit status `number`, which must be odd: QEMU exits with (value << 1) | 1 for the
// value written. Returns if the device is absent.
static inline void isa_debug_exit(unsigned number)
{
	// The device reads as 0, a port without a device as 0xff. On another machine the port may
	// belong to something else, so that it is written only after this check.
	if (port_read8(ISA_DEBUG_EXIT) == 0)
		__asm__ volatile("outl %0, %1"
				 :
				 : "a"(number >> 1), "Nd"((uint16_t)ISA_DEBUG_EXIT));
}
