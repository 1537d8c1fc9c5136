// SPDX-License-Identifier: Apache-2.0 OR MIT
// What a starter of 64-bit Linux kernels left, as struct boot. Linux documentation,
// arch/x86/boot.rst ("64-bit boot protocol") and zero-page.rst.
#pragma once

#include "core/boot.h"

// Reads the zero page at the physical address `params` through `map`, and fills in app, command
// line, memory, RSDP and what must be kept. `boot->reach` is set already.
must_check enum status linux64_read(uint64_t params, void *(*map)(struct range), struct boot *boot);
