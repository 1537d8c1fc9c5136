// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// National Semiconductor PC16550D.
#include "dev/uart_16550.h"

enum {
	LCR_8N1 = 0x03,
	LCR_DIVISOR = 0x80,
	FCR_ENABLE = 0x01,
	FIFO_SIZE = 16,
	DIVISOR_115200 = 1,
};

static size_t burst = 1;

void uart_16550_open(void)
{
	port_write8(COM1 + UART_LCR, LCR_DIVISOR);
	port_write8(COM1, DIVISOR_115200);
	port_write8(COM1 + 1, 0);
	port_write8(COM1 + UART_LCR, LCR_8N1);
	port_write8(COM1 + UART_IER, 0);
	// Switching the FIFO on empties it: not when something has been typed already.
	if ((port_read8(COM1 + UART_LSR) & UART_LSR_DATA) == 0) {
		port_write8(COM1 + UART_FCR, FCR_ENABLE);
		burst = FIFO_SIZE;
	}
}

void uart_16550_write(const char *bytes, size_t n)
{
	while (n > 0) {
		size_t now = n < burst ? n : burst;
		uart_16550_wait();
		port_write8_string(COM1, bytes, now);
		bytes += now;
		n -= now;
	}
}
