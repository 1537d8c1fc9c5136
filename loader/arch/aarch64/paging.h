// SPDX-License-Identifier: Apache-2.0 OR MIT
// The page tables that are handed over (Arm ARM D8.3; 4 KiB granule, 48 bits). Pure: writes into
// the window it is given.
#pragma once

#include "core/handover.h"

// Where kernels look for their UART.
#define UART_VIRTUAL UINT64_C(0x1000)

struct paging_plan {
	const struct paging_shape *shape;
	struct range block; // page granular
	struct range image; // rounded out to 2 MiB
	uint64_t uart;      // physical; 0: UART_VIRTUAL is not mapped
};

// Upper bound, in bytes, for this image and for a block of tables and `other` bytes, wherever below
// the image it lies.
uint64_t tables_bound(struct range image, uint64_t other);

// Fills `tables` (page aligned), the top table first. Everything is below 512 GiB.
void tables_build(struct window tables, const struct paging_plan *plan);
