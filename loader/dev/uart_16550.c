// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// National Semiconductor PC16550D.
#include "dev/uart_16550.h"

#include "dev/ports.h"

enum {
	LCR_8N1 = 0x03,
	LCR_DIVISOR = 0x80,
	FCR_ENABLE = 0x01,
	FIFO_SIZE = 16,
	DIVISOR_115200 = 1,
};

static size_t burst = 1;

void uart_open(void)
{
	cpu_out8(COM1 + UART_LCR, LCR_DIVISOR);
	cpu_out8(COM1, DIVISOR_115200);
	cpu_out8(COM1 + 1, 0);
	cpu_out8(COM1 + UART_LCR, LCR_8N1);
	cpu_out8(COM1 + UART_IER, 0);
	// Switching the FIFO on empties it: not when something has been typed already.
	if ((cpu_in8(COM1 + UART_LSR) & UART_LSR_DATA) == 0) {
		cpu_out8(COM1 + UART_FCR, FCR_ENABLE);
		burst = FIFO_SIZE;
	}
}

void uart_write(const char *bytes, size_t n)
{
	while (n > 0) {
		size_t now = n < burst ? n : burst;
		for (unsigned tries = 0;
		     tries < UART_TRIES && (cpu_in8(COM1 + UART_LSR) & UART_LSR_THRE) == 0; tries++)
			;
		cpu_out8_string(COM1, bytes, now);
		bytes += now;
		n -= now;
	}
}
