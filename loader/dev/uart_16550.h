// SPDX-License-Identifier: Apache-2.0 OR MIT
// COM1 of a PC: a 16550 UART at I/O ports. 115200 baud, 8 data bits, no parity, 1 stop bit. The
// driver does not read received bytes, which belong to the application.
//
// dev/uart.h does not cover it: a PC has this one UART, at ports and without a device tree.
#pragma once

#include "dev/port_io.h"

enum {
	COM1 = 0x3f8,
	UART_IER = 1,
	UART_FCR = 2,
	UART_LCR = 3,
	UART_LSR = 5,
	UART_LSR_DATA = 0x01, // a received byte is waiting
	UART_LSR_THRE = 0x20, // the transmit FIFO is empty
	UART_TRIES = 0x10000,
};

// Waits until the transmit FIFO is empty, at most UART_TRIES reads: longer than 16 bytes take at
// 115200 baud. A port without a device reads as 0xff, which is "empty".
static inline void uart_16550_wait(void)
{
	for (unsigned tries = 0;
	     tries < UART_TRIES && (port_read8(COM1 + UART_LSR) & UART_LSR_THRE) == 0; tries++)
		;
}

// Part of the trampoline by inlining: no constants in memory, no calls.
static inline void uart_16550_put(char c)
{
	uart_16550_wait();
	port_write8(COM1, (uint8_t)c);
}

void uart_16550_open(void);
void uart_16550_write(const char *bytes, size_t n);
