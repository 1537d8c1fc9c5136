// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The loader's own page tables (Intel SDM volume 3, 4-Level Paging), which entry.asm activates.
#include "arch/x86_64/platform.h"

enum { PRESENT_WRITABLE = 0x3, PRESENT_WRITABLE_LARGE = 0x83, ENTRIES = 512, EARLY_GIBS = 4 };

// entry.asm links them and maps 0 to the loader's end. Everything else starts unmapped, so that a
// stray access is reported as a page fault.
alignas(4096) uint64_t early_pml4[ENTRIES];
alignas(4096) uint64_t early_pdpt[ENTRIES];
alignas(4096) uint64_t early_pd[EARLY_GIBS][ENTRIES];

// Page directories for memory above 4 GiB, assigned on first use.
static alignas(4096) uint64_t high_pd[MAP_HIGH_GIBS][ENTRIES];
static unsigned high_pd_used;

static uint64_t *directory(uint64_t gib)
{
	if (early_pdpt[gib] == 0) {
		if (high_pd_used == MAP_HIGH_GIBS)
			return NULL;
		early_pdpt[gib] = (uint64_t)high_pd[high_pd_used++] | PRESENT_WRITABLE;
	}
	// The loader's bss is identity-mapped, so the entry's address is a pointer.
	return (uint64_t *)align_down(early_pdpt[gib], PAGE_SIZE);
}

// Entries only change from "not present" to "present" or stay as they are, so the TLB needs no
// invalidation (Intel SDM volume 3, Optional Invalidation).
void *map_range(struct range r)
{
	if (r.start > r.end || r.end > MAP_REACH)
		return NULL;
	for (uint64_t at = align_down(r.start, MIB(2)); at < r.end; at += MIB(2)) {
		uint64_t *pd = directory(at / GIB(1));
		if (pd == NULL)
			return NULL;
		pd[at / MIB(2) % ENTRIES] = at | PRESENT_WRITABLE_LARGE;
	}
	return (void *)r.start;
}
