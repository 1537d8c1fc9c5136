// SPDX-License-Identifier: Apache-2.0 OR MIT
// The interface of memory-mapped UARTs. core/uart.h lists the drivers, dev/uart_<driver>.c
// implements each of them.
//
// `base` is the address at which the CPU sees the registers: physical while the MMU is off. Drivers
// keep the firmware's baud rate and do not touch received bytes, which belong to the application.
#pragma once

#include "core/base.h"
#include "core/uart.h"

// The trampoline prints with *_put(), so that function is part of it: position-independent, no
// constants in memory, no calls to functions outside.
#define UART_PUT __attribute__((section(".trampoline.text.uart")))

// *_open() enables the transmitter unless firmware has done so. *_put() waits until the transmitter
// accepts a byte, at most MMIO_TRIES reads, and then sends `c`.
#define UART_PROTOTYPES(kind, driver, names)      \
	void uart_##driver##_open(uint64_t base); \
	void uart_##driver##_put(uint64_t base, char c);
UART_LIST(UART_PROTOTYPES)
#undef UART_PROTOTYPES

// Direct calls: the trampoline cannot use a table of function pointers.
static inline void uart_open(enum uart_kind kind, uint64_t base)
{
#define UART_OPEN(name, driver, names)      \
	case UART_##name:                   \
		uart_##driver##_open(base); \
		break;
	switch (kind) {
		UART_LIST(UART_OPEN)
	case UART_NONE:
		break;
	}
#undef UART_OPEN
}

static inline void uart_put(enum uart_kind kind, uint64_t base, char c)
{
#define UART_PUT_CHAR(name, driver, names)    \
	case UART_##name:                     \
		uart_##driver##_put(base, c); \
		break;
	switch (kind) {
		UART_LIST(UART_PUT_CHAR)
	case UART_NONE:
		break;
	}
#undef UART_PUT_CHAR
}
