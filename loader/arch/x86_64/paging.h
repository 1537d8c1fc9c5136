// SPDX-License-Identifier: Apache-2.0 OR MIT
// The page tables that are handed over (Intel SDM volume 3, 4.5). Pure: writes into the window it
// is given.
#pragma once

#include "core/handover.h"

struct paging_plan {
	const struct paging_shape *shape;
	// 4 KiB pages; within one 2 MiB unit of the first GiB or of a GiB of the image
	struct range block;
	struct range image; // 2 MiB pages
	// 2 MiB pages for the trampoline's move, in a GiB of the image; empty: none
	struct range extra;
};

// Where the entries of `extra` are, as physical addresses, so that the trampoline can take them out
// again.
struct paging_extra {
	uint64_t at;
	uint64_t count;
};

uint64_t paging_size(struct range image);

// Fills `tables` (paging_size() bytes, page aligned); the top table is its first page, those of the
// first GiB follow it.
struct paging_extra paging_build(struct window tables, const struct paging_plan *plan);

// The same for what is handed over, into the block's tables.
struct paging_extra paging_hand_over(const struct handover *h);
