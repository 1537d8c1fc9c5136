// SPDX-License-Identifier: Apache-2.0 OR MIT
// Common part of the aarch64 protocols without firmware services.
#pragma once

#include "core/boot.h"

// Reads the device tree at the physical address `at` and boots the application that it names.
noreturn void arm64_boot(struct boot *boot, uint64_t at);
