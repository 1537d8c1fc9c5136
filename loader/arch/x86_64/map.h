// SPDX-License-Identifier: Apache-2.0 OR MIT
// The loader's own view of memory while it runs: 2 MiB pages, identity-mapped, only where something
// was asked for.
#pragma once

#include "core/range.h"

// What one table of the second level shows. Beyond 4 GiB only MAP_MORE different GiB can be asked
// for.
#define MAP_REACH GIB(512)
#define MAP_MORE 8

// NULL for what is not wholly below MAP_REACH, for address 0, and when there are no more page
// directories.
void *map_range(struct range r);
