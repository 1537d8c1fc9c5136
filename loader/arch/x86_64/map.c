// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "map.h"

enum { PRESENT_WRITABLE_LARGE = 0x83 };

// Linked together by enter64.asm. Unmapped memory stays so: a stray access is reported, not obeyed.
alignas(4096) uint64_t early_pml4[512];
alignas(4096) uint64_t early_pdpt[512];
alignas(4096) uint64_t early_pd[MAP_REACH / MIB(2)];

void *map_range(struct range r)
{
	if (r.start > r.end || r.end > MAP_REACH)
		return NULL;
	for (uint64_t at = align_down(r.start, MIB(2)); at < r.end; at += MIB(2))
		early_pd[at / MIB(2)] = at | PRESENT_WRITABLE_LARGE;
	return (void *)r.start;
}
