// SPDX-License-Identifier: Apache-2.0 OR MIT
// A PC without firmware services, as Multiboot, PVH and the Linux entry leave it.
#pragma once

#include "../../core/boot.h"

// COM1, as boot information names it.
#define PC_SERIAL 0x3f8

// Vectors, console and log: the first thing that C does.
void pc_open(void);
