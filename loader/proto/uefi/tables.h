// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the firmware's configuration tables tell and the application is handed.
#pragma once

#include "core/boot.h"

// Fills in `rsdp` and `sev` of `boot`; what is not sound is warned of and left out.
void tables_read(struct boot *boot);
