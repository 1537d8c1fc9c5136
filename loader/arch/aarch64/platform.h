// SPDX-License-Identifier: Apache-2.0 OR MIT
// An aarch64 machine that a device tree describes, without firmware services, or once they are
// over.
#pragma once

#include "core/boot.h"

// More of a device tree than any firmware makes.
#define FDT_SIZE_MAX MIB(2)

// MMU, vectors and log: the first thing that C does. What is logged before platform_open_console()
// is kept for it.
void platform_open(void);

// MMU and vectors, from under a firmware's map (map.h); the log stays as it is.
void platform_take_over(void);

// Console and end of the machine as the tree says.
void platform_open_console(const struct devicetree *tree);
void platform_write(const char *text, size_t n);

// 1: there is an EL2 above us, whose vectors are ours.
uint64_t platform_el2_present(void);

// The device tree at `at`, as far as its first four bytes can tell; false when nothing can be read
// there.
must_check bool platform_has_devicetree(uint64_t at);

// Reads the tree whose `bytes` lie at `at`, and fills in what `boot` says of CPU, tree and console.
// Refusals have been printed.
must_check enum status platform_read_devicetree(const uint8_t *bytes, uint64_t at,
						struct boot *boot);
