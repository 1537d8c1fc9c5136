// SPDX-License-Identifier: Apache-2.0 OR MIT
// The UARTs that a device tree may name. dev/uart.h has their drivers.
#pragma once

enum uart_kind { UART_NONE, UART_PL011, UART_CADENCE };

// X(string of the node's compatible property, kind)
#define UART_LIST(X)                       \
	X("arm,pl011", UART_PL011)         \
	X("cdns,uart-r1p12", UART_CADENCE) \
	X("cdns,uart-r1p8", UART_CADENCE)  \
	X("xlnx,xuartps", UART_CADENCE)
