// SPDX-License-Identifier: Apache-2.0 OR MIT
// I/O ports of a PC that more than one file uses.
#pragma once

#include "arch/x86_64/cpu.h"

enum {
	COM1 = 0x3f8,
	UART_IER = 1,
	UART_FCR = 2,
	UART_LCR = 3,
	UART_LSR = 5,
	UART_LSR_DATA = 0x01,
	UART_LSR_THRE = 0x20, // the transmitter's FIFO is empty
	// Enough for a line at 115200 baud on real hardware; a port that is not there reads 0xff
	// and is ready at once.
	UART_TRIES = 0x10000,
	DEBUG_EXIT = 0xf4,
};

// QEMU's isa-debug-exit ends QEMU with (value << 1) | 1: `number` is odd. Returns when the device
// is absent: it reads as 0, nothing as 0xff.
static inline void exit_isa(unsigned number)
{
	if (cpu_in8(DEBUG_EXIT) == 0)
		__asm__ volatile("outl %0, %1" : : "a"(number >> 1), "Nd"((uint16_t)DEBUG_EXIT));
}
