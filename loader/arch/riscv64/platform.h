// SPDX-License-Identifier: Apache-2.0 OR MIT
// A machine in S-mode without address translation (satp is 0), with the SBI as its console.
#pragma once

#include "core/boot.h"

// Opens console, exception report and log. C code calls it first.
void platform_open(void);

// Physical addresses are valid as they are. NULL for address 0, where C has no object.
void *map_range(struct range r);
