// SPDX-License-Identifier: Apache-2.0 OR MIT
// What a firmware's device tree tells, as struct boot. Shared by the protocols that hand over such
// a tree.
#pragma once

#include "core/boot.h"

// Fills in memory, command line, application and what must be kept. `boot->reach`, `boot->loader`
// and `boot->elf_target` are set already, and `tree` outlives `boot`. Refusals have been printed.
must_check enum status fdt_boot_read(const struct devicetree *tree, void *(*map)(struct range),
				     struct boot *boot);
