// SPDX-License-Identifier: Apache-2.0 OR MIT
// The loader's own function names, for its exception report. The table is made by the link: see
// loader.mk.
#pragma once

#include "core/base.h"

// The function that contains `address`, and how far into it; NULL when it is none of ours.
const char *symbol_find(uint64_t address, uint64_t *offset);
