// SPDX-License-Identifier: Apache-2.0 OR MIT
// Reads a flattened device tree back into text, one line a thing, with every rule of the format
// checked on the way:
//   reserve ADDRESS SIZE
//   PATH NAME = HEXBYTES          (a property)
//   PATH                          (a node)
#pragma once

#include <stddef.h>
#include <stdint.h>

// `n` is the size that the writer returned. False, and `out` describes the defect, where the tree
// is malformed.
_Bool fdt_text(const uint8_t *fdt, size_t n, char *out, size_t room);
