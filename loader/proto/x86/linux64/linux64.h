// SPDX-License-Identifier: Apache-2.0 OR MIT
// Reads the boot information of the 64-bit Linux entry: the zero page, struct boot_params (Linux's
// Documentation/arch/x86/boot.rst, "64-bit boot protocol", and zero-page.rst).
#pragma once

#include "core/boot.h"

// `params` is RSI at entry, the physical address of the zero page. Fills the application, command
// line, memory, RSDP and `preserved` of `boot`; `boot->mappable` is set before.
must_check enum status linux64_read(uint64_t params, void *(*map)(struct range), struct boot *boot);
