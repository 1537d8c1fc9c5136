// SPDX-License-Identifier: Apache-2.0 OR MIT
// One function a target: libFuzzer calls it, or replay.c with files.
#pragma once

#include "../fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
