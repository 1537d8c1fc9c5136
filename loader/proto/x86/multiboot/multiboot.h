// SPDX-License-Identifier: Apache-2.0 OR MIT
// Reads the boot information of Multiboot 1 (Multiboot Specification 0.6.96, section 3.3).
#pragma once

#include "core/boot.h"

// `magic` and `info` are EAX and EBX at entry. Fills the application, command line, memory and
// `preserved` of `boot`; `boot->loader` and `boot->mappable` are set before. `map` maps physical
// memory. Lengths in the boot information are checked against `boot->mappable` only.
must_check enum status multiboot_read(uint32_t magic, uint32_t info, void *(*map)(struct range),
				      struct boot *boot);
