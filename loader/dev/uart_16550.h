// SPDX-License-Identifier: Apache-2.0 OR MIT
// COM1, 115200 baud, 8N1. What was typed meanwhile stays for the application.
#pragma once

#include "dev/port_io.h"

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
};

static inline void uart_16550_wait(void)
{
	for (unsigned tries = 0;
	     tries < UART_TRIES && (port_read8(COM1 + UART_LSR) & UART_LSR_THRE) == 0; tries++)
		;
}

static inline void uart_16550_put(char c)
{
	uart_16550_wait();
	port_write8(COM1, (uint8_t)c);
}

void uart_16550_open(void);
void uart_16550_write(const char *bytes, size_t n);
