// SPDX-License-Identifier: Apache-2.0 OR MIT
// Stopping the machine after a refusal or a failed assertion. boot.c implements it; arch/ and
// proto/ need no more of the boot sequence than this.
#pragma once

#include "core/status.h"

// Stops the machine with the exit status of `status`, by the platform of boot_init(). The caller
// has printed the reason with refuse(). Nothing else in the loader stops the machine.
noreturn void die(enum status status);

// Checks invariants of the loader, never input. Release builds keep it: a wrong hand-over is harder
// to debug than one compare is expensive.
#define ASSERT(condition) ((condition) ? (void)0 : assert_failed(#condition))
noreturn void assert_failed(const char *condition);
