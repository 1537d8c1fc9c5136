// SPDX-License-Identifier: Apache-2.0 OR MIT
// The kernel's page tables (VMSAv8-64, 4 KiB granule, 48-bit addresses). Pure
// functions, which host tests call: they write only to the window that they get.
#pragma once

#include "core/handover.h"

// Virtual address at which kernels expect their UART.
#define UART_VIRTUAL UINT64_C(0x1000)

struct paging_plan {
	const struct paging_shape *shape;
	struct range block; // page-aligned
	struct range image; // gets rounded out to 2 MiB
	uint64_t uart;      // physical address; 0: UART_VIRTUAL stays unmapped
};

// Upper bound of the tables' size in bytes. It holds wherever below the image the block is placed
// that contains the tables and `other` bytes.
uint64_t tables_bound(struct range image, uint64_t other);

// Fills `tables`, which are page-aligned. The first page is the top table. All ranges are below
// 512 GiB.
void tables_build(struct window tables, const struct paging_plan *plan);
