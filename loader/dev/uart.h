// SPDX-License-Identifier: Apache-2.0 OR MIT
// One UART of any kind in memory. `base` is where its registers are seen. Inline: the exception
// report, which calls nothing outside its file, writes with it as well.
#pragma once

#include "core/uart_kind.h"
#include "dev/uart_cadence.h"
#include "dev/uart_pl011.h"

// Switches it on when nobody has. What was typed meanwhile stays for the application.
static inline void uart_open(enum uart_kind kind, uint64_t base)
{
	switch (kind) {
	case UART_PL011:
		pl011_open(base);
		break;
	case UART_CADENCE:
		cadence_open(base);
		break;
	case UART_NONE:
		break;
	}
}

static inline void uart_put(enum uart_kind kind, uint64_t base, char c)
{
	switch (kind) {
	case UART_PL011:
		pl011_put(base, c);
		break;
	case UART_CADENCE:
		cadence_put(base, c);
		break;
	case UART_NONE:
		break;
	}
}
