// SPDX-License-Identifier: Apache-2.0 OR MIT
// The kernel's page tables (Intel SDM volume 3, 4-Level Paging). Pure functions, which host
// tests call: they write only to the window that they get.
#pragma once

#include "core/handover.h"

struct paging_plan {
	const struct paging_shape *shape;
	// Where ALIAS_MULTIBOOT to ALIAS_END are mapped. 0: nowhere. The block is in the first 2
	// MiB then.
	uint64_t alias;
	// The hand-over block, by 4 KiB pages. One page table maps it, so it is within one 2 MiB
	// unit. That unit is in the first GiB or in a GiB of the image.
	struct range block;
	struct range image; // by 2 MiB pages
	// The staging copy of the image, by 2 MiB pages, in the GiB where the image ends. Empty:
	// the image is in place already.
	struct range staging;
};

// The page-directory entries of `staging`, which the trampoline clears after the move. Count 0: the
// image is in place already.
struct staging_entries {
	uint64_t at; // physical address of the first entry
	uint64_t count;
};

// Size of the tables in bytes, wherever the block is.
uint64_t paging_size(struct range image);

// Fills `tables`, which are page-aligned and of paging_size() bytes. The first page is the top
// table, the tables of the first GiB follow.
struct staging_entries paging_build(struct window tables, const struct paging_plan *plan);

// The same for a hand-over, into the block's tables.
struct staging_entries paging_hand_over(const struct handover *h);
