// SPDX-License-Identifier: Apache-2.0 OR MIT
// How the loader gives up.
#pragma once

#include "core/status.h"

// Remembers what stops the machine.
void panic_open(noreturn void (*stop)(enum status status));

// The one place that stops the machine. The reason has been printed by refuse().
noreturn void die(enum status status);

// For rules of our own, never for bytes from outside. Stays in release builds: each costs a
// compare.
#define ASSERT(condition) ((condition) ? (void)0 : assert_failed(#condition))
noreturn void assert_failed(const char *condition);
