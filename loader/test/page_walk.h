// SPDX-License-Identifier: Apache-2.0 OR MIT
// Reads x86-64 page tables back into text, one line a run of pages of one size: "VIRTUAL..END ->
// PHYSICAL SIZE FLAGS", in hexadecimal. Entries that point to a table of our own are followed; the
// recursive entry is reported as "recursive SLOT".
#pragma once

#include "core/load.h"

_Bool page_walk(struct window tables, char *out, size_t room);
