// SPDX-License-Identifier: Apache-2.0 OR MIT
// A PC without firmware services, as Multiboot, PVH and the Linux entry leave it.
#pragma once

#include "core/boot.h"

// Vectors, console and log: the first thing that C does. What it returns is filled in as far as
// every such start is the same.
struct boot *platform_open(void);
