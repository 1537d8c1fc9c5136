// SPDX-License-Identifier: Apache-2.0 OR MIT
// The end after a refusal or a failed assertion, which boot.c implements. It is separate from
// boot.h for files that only have to fail.
#pragma once

#include "core/status.h"

// Ends the loader with the exit status of `status`, by platform->stop of boot_init(). The caller
// has printed the reason with refuse(). Two places stop the machine themselves, because they may
// run before boot_init(): entry.asm of x86_64 if the CPU has no 64-bit mode, and each exception.c
// after the report of a CPU exception.
noreturn void die(enum status status);

// Checks invariants of the loader, never input. Release builds keep it: a wrong hand-over is harder
// to debug than one compare is expensive.
#define ASSERT(condition) ((condition) ? (void)0 : assert_failed(#condition))
noreturn void assert_failed(const char *condition);
