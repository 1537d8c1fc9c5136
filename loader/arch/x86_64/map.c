// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "arch/x86_64/map.h"

enum { PRESENT_WRITABLE = 0x3, PRESENT_WRITABLE_LARGE = 0x83, ENTRIES = 512, EARLY_GIBS = 4 };

// Linked together by entry.asm. Unmapped memory stays so: a stray access is reported, not obeyed.
alignas(4096) uint64_t early_pml4[ENTRIES];
alignas(4096) uint64_t early_pdpt[ENTRIES];
alignas(4096) uint64_t early_pd[EARLY_GIBS][ENTRIES];

// Page directories of GiBs from the fifth on, as they are asked for.
static alignas(4096) uint64_t more_pd[MAP_MORE][ENTRIES];
static unsigned more_used;

static uint64_t *directory(uint64_t gib)
{
	if (early_pdpt[gib] == 0) {
		if (more_used == MAP_MORE)
			return NULL;
		early_pdpt[gib] = (uint64_t)more_pd[more_used++] | PRESENT_WRITABLE;
	}
	// identity-mapped, with the loader
	return (uint64_t *)align_down(early_pdpt[gib], PAGE_SIZE);
}

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
