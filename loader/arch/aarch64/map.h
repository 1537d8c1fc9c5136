// SPDX-License-Identifier: Apache-2.0 OR MIT
// The loader's own view of memory while it runs: blocks of 1 GiB, identity-mapped, write-back, only
// where something was asked for; devices are seen elsewhere, so that memory of the same GiB can be
// memory.
#pragma once

#include "core/range.h"

// 39 bits of address, less the GiB through which devices are seen.
#define MAP_REACH GIB(510)

// Switches the MMU and the caches on. Until then nothing else may be called.
void map_open(void);

// The same from under a firmware's map, in which nothing lies elsewhere: from there on we are at
// EL1, interrupts masked, exceptions our own. Loader and stack are seen; what else is wanted has to
// be mapped.
void map_take_over(void);

// NULL for what is not wholly below MAP_REACH, and for address 0.
void *map_range(struct range r);

// Where the device registers at `at` are seen, before (only what lies in the first GiB) and after
// one device was chosen for good.
uint64_t map_device_early(uint64_t at);
uint64_t map_device(uint64_t at);

// Out of the data cache, to the point of coherency, and out of the instruction cache.
void cache_clean(struct range r);

// The top table, a page.
const uint64_t *map_root(void);
