// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Arm PrimeCell UART, PL011 (Arm DDI 0183, chapter 3).
#include "dev/mmio.h"
#include "dev/uart.h"

enum {
	DR = 0x00,
	FR = 0x18,
	FR_TXFF = 1 << 5, // transmit FIFO full
	LCR_H = 0x2c,
	LCR_H_8N1_FIFO = 0x70,
	CR = 0x30,
	CR_UARTEN = 1 << 0,
	CR_TXE_RXE = 3 << 8,
};

void uart_pl011_open(uint64_t base)
{
	// The firmware uses it. LCR_H must not change while the UART is enabled (3.3.7).
	if ((mmio_read(base + CR) & CR_UARTEN) != 0)
		return;
	mmio_write(base + LCR_H, LCR_H_8N1_FIFO);
	mmio_write(base + CR, CR_TXE_RXE | CR_UARTEN);
}

UART_PUT void uart_pl011_put(uint64_t base, char c)
{
	for (unsigned tries = 0; tries < MMIO_TRIES; tries++)
		if ((mmio_read(base + FR) & FR_TXFF) == 0)
			break;
	mmio_write(base + DR, (uint8_t)c);
}
