// SPDX-License-Identifier: Apache-2.0 OR MIT
// What a starter of PVH guests left, as struct boot. Xen's x86/HVM direct boot ABI, struct
// hvm_start_info; all fields little-endian.
#pragma once

#include "core/boot.h"

// Reads the block at the physical address `info` through `map`, and fills in app, command line,
// memory, RSDP and what must be kept. `boot->reach` is set already.
must_check enum status pvh_read(uint32_t info, void *(*map)(struct range), struct boot *boot);
