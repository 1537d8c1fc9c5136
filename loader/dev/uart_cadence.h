// SPDX-License-Identifier: Apache-2.0 OR MIT
// Cadence UART of Zynq and Zynq UltraScale+ (UG1085, chapter 21). `base` is where its registers are
// seen. Speed stays as the firmware left it.
#pragma once

#include "dev/mmio.h"

enum {
	CADENCE_CR = 0x00,
	CADENCE_CR_RESET_QUEUES = 3 << 0,
	CADENCE_CR_RECEIVE = 1 << 2,
	CADENCE_CR_TRANSMIT = 1 << 4,
	CADENCE_CR_TRANSMIT_OFF = 1 << 5,
	CADENCE_MR = 0x04,
	CADENCE_MR_8N1 = 0x20,
	CADENCE_SR = 0x2c,
	CADENCE_SR_TXFULL = 1 << 4,
	CADENCE_FIFO = 0x30,
};

static inline void cadence_open(uint64_t base)
{
	if ((mmio_read(base + CADENCE_CR) & (CADENCE_CR_TRANSMIT | CADENCE_CR_TRANSMIT_OFF)) ==
	    CADENCE_CR_TRANSMIT)
		return;
	mmio_write(base + CADENCE_MR, CADENCE_MR_8N1);
	mmio_write(base + CADENCE_CR,
		   CADENCE_CR_RESET_QUEUES | CADENCE_CR_RECEIVE | CADENCE_CR_TRANSMIT);
}

static inline void cadence_put(uint64_t base, char c)
{
	for (unsigned tries = 0;
	     tries < MMIO_TRIES && (mmio_read(base + CADENCE_SR) & CADENCE_SR_TXFULL) != 0; tries++)
		;
	mmio_write(base + CADENCE_FIFO, (uint8_t)c);
}
