// SPDX-License-Identifier: Apache-2.0 OR MIT
// What a Multiboot 1 starter left, as struct boot. Multiboot Specification 0.6.96, section 3.3; all
// fields little-endian.
#pragma once

#include "core/boot.h"

// Reads the block at the physical address `info` through `map`, and fills in app, command line,
// memory and what must be kept. Lengths are those that the starter told. `boot->loader` and
// `boot->reach` are set already.
must_check enum status multiboot_read(uint32_t magic, uint32_t info, void *(*map)(struct range),
				      struct boot *boot);
