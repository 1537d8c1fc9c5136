// SPDX-License-Identifier: Apache-2.0 OR MIT
// A machine in S-mode without address translation (satp is 0), with the SBI as its console.
#pragma once

#include "core/boot.h"

// Opens console, exception report and log. C code calls it first.
void platform_open(void);

// Physical addresses are valid as they are. NULL if `r` starts at 0.
void *map_range(struct range r);
