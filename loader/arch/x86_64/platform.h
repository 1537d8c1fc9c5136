// SPDX-License-Identifier: Apache-2.0 OR MIT
// A PC without firmware services, as Multiboot, PVH and the 64-bit Linux entry start it.
#pragma once

#include "core/boot.h"

// Installs exception vectors, console and log. C code calls it first: from the activation of 64-bit
// mode in entry.asm until then an exception is a triple fault. Returns the one struct boot, with
// the fields set that are the same for each of these protocols.
struct boot *platform_open(void);

// The page tables by which the loader itself runs have 2 MiB pages, identity-mapped. What is mapped
// is the memory from 0 to the loader's end, and what was requested with map_range().

// One PDPT covers 512 GiB. The page directories of the first 4 GiB are static; above, at most
// MAP_HIGH_GIBS different GiB can be mapped.
#define MAP_REACH GIB(512)
#define MAP_HIGH_GIBS 8

// Maps physical memory, writable, and returns its address. NULL if `r` is not below MAP_REACH, if
// it starts at 0, or if no page directory is free.
void *map_range(struct range r);
