// SPDX-License-Identifier: Apache-2.0 OR MIT
// A PC without firmware services, as Multiboot, PVH and the Linux entry leave it.
#pragma once

#include "../../core/boot.h"

// Vectors, console and log: the first thing that C does.
void pc_open(void);
