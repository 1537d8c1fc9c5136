// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "map.h"

#include "cpu.h"

extern char loader_start[], loader_end[]; // linker script

#define ENTRIES 512
#define SLOT_EARLY 510
#define SLOT_DEVICE 511

#define BLOCK_MEMORY (DESC_VALID | DESC_ATTR(MAIR_WRITE_BACK) | DESC_INNER_SHAREABLE | DESC_ACCESSED)
#define BLOCK_DEVICE (DESC_VALID | DESC_ATTR(MAIR_DEVICE_NGNRE) | DESC_ACCESSED | DESC_NEVER_EXECUTE)

// T0SZ 25: translation begins at level 1. TTBR1 is off.
#define TCR_OWN (UINT64_C(25) | UINT64_C(1) << 8 | UINT64_C(1) << 10 | UINT64_C(3) << 12 | UINT64_C(1) << 23)

alignas(4096) static uint64_t level1[ENTRIES];

static void add_blocks(struct range r)
{
	for (uint64_t at = align_down(r.start, GIB(1)); at < r.end; at += GIB(1))
		level1[at / GIB(1)] = at | BLOCK_MEMORY;
	// Entries that were not valid are in no TLB.
	cpu_barrier();
	cpu_sync();
}

void map_open(void)
{
	level1[SLOT_EARLY] = BLOCK_DEVICE;
	add_blocks((struct range){ (uint64_t)loader_start, (uint64_t)loader_end });
	uint64_t physical_bits = cpu_read(id_aa64mmfr0_el1) & 15;
	cpu_write(mair_el1, MAIR_VALUE);
	cpu_write(tcr_el1, TCR_OWN | physical_bits << 32);
	cpu_write(ttbr0_el1, (uint64_t)level1);
	cpu_sync();
	cpu_forget_translations();
	cpu_forget_instructions();
	cpu_barrier();
	cpu_sync();
	cpu_write(sctlr_el1, cpu_read(sctlr_el1) | SCTLR_M | SCTLR_C | SCTLR_I);
	cpu_sync();
}

void *map_range(struct range r)
{
	if (r.start > r.end || r.end > MAP_REACH)
		return NULL;
	add_blocks(r);
	return (void *)r.start;
}

uint64_t map_device_early(uint64_t at)
{
	return SLOT_EARLY * GIB(1) + at % GIB(1);
}

uint64_t map_device(uint64_t at)
{
	level1[SLOT_DEVICE] = align_down(at, GIB(1)) | BLOCK_DEVICE;
	cpu_barrier();
	cpu_sync();
	return SLOT_DEVICE * GIB(1) + at % GIB(1);
}

const uint64_t *map_root(void)
{
	return level1;
}
