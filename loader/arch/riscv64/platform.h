// SPDX-License-Identifier: Apache-2.0 OR MIT
// A machine in S-mode without address translation, with the SBI's console.
#pragma once

#include "core/boot.h"

// Console, report of exceptions, and log: the first thing that C does.
void platform_open(void);

// Physical addresses as they are. NULL for address 0, which no object has.
void *map_range(struct range r);
