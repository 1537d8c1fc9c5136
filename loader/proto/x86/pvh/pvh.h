// SPDX-License-Identifier: Apache-2.0 OR MIT
// Reads the boot information of PVH: struct hvm_start_info of Xen's x86/HVM direct boot ABI
// (docs/misc/pvh.pandoc, public/arch-x86/hvm/start_info.h).
#pragma once

#include "core/boot.h"

// `info` is EBX at entry, the physical address of struct hvm_start_info. Fills the application,
// command line, memory, RSDP and `preserved` of `boot`; `boot->mappable` is set before.
must_check enum status pvh_read(uint32_t info, void *(*map)(struct range), struct boot *boot);
