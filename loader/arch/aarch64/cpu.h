// SPDX-License-Identifier: Apache-2.0 OR MIT
// System registers, barriers and maintenance instructions at EL1. Names of registers, bits and
// sections are those of the Arm ARM (DDI 0487), whose section numbers differ between its issues.
#pragma once

#include "core/span.h"

#define cpu_read(name)                                             \
	__extension__({                                            \
		uint64_t value_;                                   \
		__asm__ volatile("mrs %0, " #name : "=r"(value_)); \
		value_;                                            \
	})

#define cpu_write(name, value) \
	__asm__ volatile("msr " #name ", %x0" : : "rZ"((uint64_t)(value)) : "memory")

#define SCTLR_M (UINT64_C(1) << 0)
#define SCTLR_C (UINT64_C(1) << 2)
#define SCTLR_I (UINT64_C(1) << 12)
// EE and E0E: byte order of data accesses at EL1 and EL0, and of table walks.
#define SCTLR_ENDIAN (ORDER_NATIVE == ORDER_BIG ? UINT64_C(3) << 24 : 0)

// Attributes 0 to 4: Device-nGnRnE, Device-nGnRE, Device-GRE, Normal non-cacheable, Normal
// write-back. The kernel keeps this value, because its page tables contain the indices.
#define MAIR_VALUE UINT64_C(0x000000ff440c0400)

enum mair { MAIR_DEVICE_NGNRE = 1, MAIR_WRITE_BACK = 4 };

// Attributes of translation table descriptors (VMSAv8-64 translation table format descriptors).
#define DESC_VALID (UINT64_C(1) << 0)
#define DESC_TABLE (UINT64_C(1) << 1) // table, or page at level 3; 0: block
#define DESC_ATTR(index) ((uint64_t)(index) << 2)
#define DESC_INNER_SHAREABLE (UINT64_C(3) << 8)
#define DESC_ACCESSED (UINT64_C(1) << 10)
#define DESC_NEVER_EXECUTE (UINT64_C(3) << 53)

// Completes all memory accesses and maintenance operations before it.
static inline void cpu_dsb(void)
{
	__asm__ volatile("dsb sy" : : : "memory");
}

// Makes system-register writes visible to the instructions after it.
static inline void cpu_isb(void)
{
	__asm__ volatile("isb" : : : "memory");
}

static inline void cpu_invalidate_tlb(void)
{
	__asm__ volatile("tlbi vmalle1" : : : "memory");
}

static inline void cpu_invalidate_icache(void)
{
	__asm__ volatile("ic iallu" : : : "memory");
}

// Cleans and invalidates the data cache line of `at` to the point of coherency.
static inline void cpu_clean_invalidate_dcache_line(uint64_t at)
{
	__asm__ volatile("dc civac, %0" : : "r"(at) : "memory");
}

static inline void cpu_wfi(void)
{
	__asm__ volatile("wfi" : : : "memory");
}
