// SPDX-License-Identifier: Apache-2.0 OR MIT
// The page tables by which the loader itself runs: blocks of 1 GiB, identity-mapped, write-back.
// Only requested memory is mapped. Devices are mapped at other addresses, because a GiB can contain
// both RAM and devices.
#pragma once

#include "core/range.h"

// One level 1 table covers 512 GiB. The last two are for devices.
#define MAP_REACH GIB(510)

// Enables MMU and caches. Until then memory is Device memory: accesses must be aligned, and no
// other function may be called.
void map_open(void);

// The same under a firmware that maps memory identically, from EL1 or EL2. Afterwards the CPU is at
// EL1 with interrupts masked and the loader's vectors installed. Loader and current stack are
// mapped; everything else needs map_range().
void map_take_over(void);

// Maps physical memory and returns its address. NULL if `r` is not below MAP_REACH, or starts at 0.
void *map_range(struct range r);

// Return the address by which the CPU sees device registers at a physical address. The first is for
// the first GiB and works at any time, the second for one device anywhere.
uint64_t map_device_early(uint64_t at);
uint64_t map_device(uint64_t at);

// Cleans and invalidates the data cache to the point of coherency, then invalidates the instruction
// cache. Instruction fetches and accesses without caches observe prior stores afterwards.
void cache_clean(struct range r);

// The top table: one page.
const uint64_t *map_root(void);
