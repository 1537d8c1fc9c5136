// SPDX-License-Identifier: Apache-2.0 OR MIT
// Names of the loader's functions, for the report of a CPU exception. target.mk links the loader
// twice: the second link includes the table that symbols.awk generates from the first.
#pragma once

#include "core/base.h"

// Returns the name of the function that contains `address` and sets `offset` to the distance from
// its start. Returns NULL, and leaves `offset` unset, if the address is not in the loader's .text.
const char *symbol_find(uint64_t address, uint64_t *offset);
