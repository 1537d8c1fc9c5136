// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// National Semiconductor PC16550D, section 8.
#include "dev/uart_16550.h"

enum {
	LCR_8N1 = 0x03,
	LCR_DLAB = 0x80, // offsets 0 and 1 are the divisor latch
	FCR_FIFO_ENABLE = 0x01,
	FIFO_SIZE = 16,
	DIVISOR_115200 = 1, // of 1.8432 MHz / 16
};

// Bytes that may be written while the transmitter is empty: 1 until the FIFO is enabled.
static size_t burst = 1;

void uart_16550_open(void)
{
	port_write8(COM1 + UART_LCR, LCR_DLAB);
	port_write8(COM1, DIVISOR_115200);
	port_write8(COM1 + 1, 0);
	port_write8(COM1 + UART_LCR, LCR_8N1);
	port_write8(COM1 + UART_IER, 0);
	// A change of FCR bit 0 clears both FIFOs: not while received input is waiting for
	// the application.
	if ((port_read8(COM1 + UART_LSR) & UART_LSR_DATA) == 0) {
		port_write8(COM1 + UART_FCR, FCR_FIFO_ENABLE);
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
