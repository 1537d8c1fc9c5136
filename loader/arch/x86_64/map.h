// SPDX-License-Identifier: Apache-2.0 OR MIT
// The loader's own view of memory while it runs: 2 MiB pages, identity-mapped, only where something was asked for.
#pragma once

#include "../../core/range.h"

#define MAP_REACH GIB(4)

// NULL for what is not wholly below MAP_REACH, and for address 0.
void *map_range(struct range r);
