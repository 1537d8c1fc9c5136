// SPDX-License-Identifier: Apache-2.0 OR MIT
// Reads the start information in a firmware's device tree (Devicetree Specification 0.4, /memory,
// /reserved-memory, /chosen). The protocols that pass a device tree share it.
#pragma once

#include "core/boot.h"

// Fills memory, command line, application and `start_info` of `boot`. `boot->mappable`,
// `boot->loader` and `boot->elf_target` are set before. `boot` keeps a pointer to `tree`. `map`
// maps physical memory. Refusals have been printed.
must_check enum status fdt_boot_read(const struct devicetree *tree, void *(*map)(struct range),
				     struct boot *boot);
