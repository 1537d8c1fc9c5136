// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the starts with a device tree and without firmware services share.
#pragma once

#include "core/boot.h"

// Reads the tree that lies at `at` and boots the application that it names.
noreturn void arm64_boot(struct boot *boot, uint64_t at);
