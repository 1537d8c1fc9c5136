// SPDX-License-Identifier: Apache-2.0 OR MIT
// An aarch64 machine that a device tree describes, without firmware services: started so, or after
// ExitBootServices.
#pragma once

#include "core/boot.h"

// Upper bound of a device tree's size, as Linux's (Documentation/arch/arm64/booting.rst).
#define FDT_SIZE_MAX MIB(2)

// Enables the MMU and opens the log. C code calls it first. Output is stored until
// platform_open_console().
void platform_open(void);

// Takes MMU and exception vectors from the firmware (map.h). The log stays open.
void platform_take_over(void);

// Uses the console and the PSCI conduit that the device tree names.
void platform_open_console(const struct devicetree *tree);
void platform_write(const char *text, size_t n);

// 1 if the loader was entered at EL2 or EL3 and EL2 exists: then its vectors are the loader's.
uint64_t platform_el2_present(void);

// Whether memory at `at` can be read and starts with the magic number of a device tree.
must_check bool platform_has_devicetree(uint64_t at);

// Reads the device tree at the physical address `at`, seen at `bytes`, and fills the fields of
// `boot` for CPU, device tree and console. Refusals have been printed.
must_check enum status platform_read_devicetree(const uint8_t *bytes, uint64_t at,
						struct boot *boot);
