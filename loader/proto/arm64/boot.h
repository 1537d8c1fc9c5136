// SPDX-License-Identifier: Apache-2.0 OR MIT
// Common part of the aarch64 protocols without firmware services.
#pragma once

#include "core/boot.h"

// Reads the device tree at the physical address `at` and boots the application that it names. The
// caller has set `boot->protocol`, called platform_open(), and found a tree's magic number at `at`.
noreturn void arm64_boot(struct boot *boot, uint64_t at);
