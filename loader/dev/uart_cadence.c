// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Cadence UART of Zynq-7000 (UG585, appendix B.33) and Zynq UltraScale+ (UG1085, chapter 21).
#include "dev/mmio.h"
#include "dev/uart.h"

enum {
	CR = 0x00,
	CR_RXRST_TXRST = 3 << 0, // empty the FIFOs; the bits clear themselves
	CR_RXEN = 1 << 2,
	CR_TXEN = 1 << 4,
	CR_TXDIS = 1 << 5, // overrides CR_TXEN
	MR = 0x04,
	MR_8N1 = 0x20,
	SR = 0x2c,
	SR_TXFULL = 1 << 4,
	FIFO = 0x30,
};

void uart_cadence_open(uint64_t base)
{
	// The firmware uses it. A reset of the FIFOs would drop received input.
	if ((mmio_read(base + CR) & (CR_TXEN | CR_TXDIS)) == CR_TXEN)
		return;
	mmio_write(base + MR, MR_8N1);
	mmio_write(base + CR, CR_RXRST_TXRST | CR_RXEN | CR_TXEN);
}

UART_PUT void uart_cadence_put(uint64_t base, char c)
{
	for (unsigned tries = 0; tries < MMIO_TRIES; tries++)
		if ((mmio_read(base + SR) & SR_TXFULL) == 0)
			break;
	mmio_write(base + FIFO, (uint8_t)c);
}
