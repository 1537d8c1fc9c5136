// SPDX-License-Identifier: Apache-2.0 OR MIT
// UARTs that a device tree can name as the console.
#pragma once

// One row per driver: enumerator, driver, `compatible` strings separated by NUL.
// dev/uart_<driver>.c implements the driver; dev/uart.h has the contract.
#define UART_LIST(ROW)                 \
	ROW(PL011, pl011, "arm,pl011") \
	ROW(CADENCE, cadence, "cdns,uart-r1p12\0cdns,uart-r1p8\0xlnx,xuartps")

#define UART_ENUMERATOR(kind, driver, names) UART_##kind,
enum uart_kind { UART_NONE, UART_LIST(UART_ENUMERATOR) };
#undef UART_ENUMERATOR
