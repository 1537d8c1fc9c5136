// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The loader's own page tables, one level 1 table of 1 GiB blocks (VMSAv8-64).
#include "arch/aarch64/map.h"

#include "arch/aarch64/cpu.h"

extern char loader_start[], loader_end[]; // linker script

#define ENTRIES 512
// Entries that map devices, at addresses above all RAM that can be mapped.
#define SLOT_EARLY 510
#define SLOT_DEVICE 511

#define BLOCK_MEMORY \
	(DESC_VALID | DESC_ATTR(MAIR_WRITE_BACK) | DESC_INNER_SHAREABLE | DESC_ACCESSED)
#define BLOCK_DEVICE \
	(DESC_VALID | DESC_ATTR(MAIR_DEVICE_NGNRE) | DESC_ACCESSED | DESC_NEVER_EXECUTE)

// TCR_EL1: T0SZ 25, so that translation starts at level 1; walks write-back cacheable (IRGN0,
// ORGN0) and inner shareable (SH0); EPD1, no walks by TTBR1_EL1.
#define TCR_LOADER                                                                 \
	(UINT64_C(25) | UINT64_C(1) << 8 | UINT64_C(1) << 10 | UINT64_C(3) << 12 | \
	 UINT64_C(1) << 23)

// entry.S
void mmu_on(const uint64_t *root, uint64_t tcr, uint64_t mair);
void mmu_take_over(const uint64_t *root, uint64_t tcr, uint64_t mair);

alignas(4096) static uint64_t level1[ENTRIES];

static void add_blocks(struct range r)
{
	for (uint64_t at = align_down(r.start, GIB(1)); at < r.end; at += GIB(1))
		level1[at / GIB(1)] = at | BLOCK_MEMORY;
	// A TLB never holds entries that are not valid, so a barrier is enough.
	cpu_dsb();
	cpu_isb();
}

static void map_loader_and_first_devices(void)
{
	level1[SLOT_EARLY] = BLOCK_DEVICE;
	add_blocks((struct range){ (uint64_t)loader_start, (uint64_t)loader_end });
}

// TCR_EL1.IPS is the CPU's ID_AA64MMFR0_EL1.PARange.
static uint64_t loader_tcr(void)
{
	return TCR_LOADER | (cpu_read(id_aa64mmfr0_el1) & 15) << 32;
}

void map_open(void)
{
	map_loader_and_first_devices();
	mmu_on(level1, loader_tcr(), MAIR_VALUE);
}

void map_take_over(void)
{
	const uint64_t stack = (uint64_t)__builtin_frame_address(0);
	map_loader_and_first_devices();
	// The firmware's stack stays in use: what is on it, and room to grow.
	add_blocks((struct range){ stack - KIB(64), stack + KIB(64) });
	cache_clean((struct range){ (uint64_t)loader_start, (uint64_t)loader_end });
	mmu_take_over(level1, loader_tcr(), MAIR_VALUE);
}

void *map_range(struct range r)
{
	if (r.start > r.end || r.end > MAP_REACH)
		return NULL;
	add_blocks(r);
	return (void *)r.start; // NULL if it is 0, where C has no object
}

uint64_t map_device_early(uint64_t at)
{
	return SLOT_EARLY * GIB(1) + at % GIB(1);
}

uint64_t map_device(uint64_t at)
{
	level1[SLOT_DEVICE] = align_down(at, GIB(1)) | BLOCK_DEVICE;
	cpu_dsb();
	cpu_isb();
	return SLOT_DEVICE * GIB(1) + at % GIB(1);
}

const uint64_t *map_root(void)
{
	return level1;
}

void cache_clean(struct range r)
{
	// CTR_EL0.DminLine: log2 of the words in the smallest data cache line.
	uint64_t line = UINT64_C(4) << (cpu_read(ctr_el0) >> 16 & 15);
	for (uint64_t at = align_down(r.start, line); at < r.end; at += line)
		cpu_clean_invalidate_dcache_line(at);
	cpu_dsb();
	cpu_invalidate_icache();
	cpu_dsb();
	cpu_isb();
}
