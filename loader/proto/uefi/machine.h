// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the UEFI start needs from a CPU: one folder per CPU beside this file defines it.
#pragma once

#include "../../core/boot.h"

// Refuses a machine state that cannot be handed over, and makes exceptions ours. Boot services are there.
must_check enum status machine_open(struct boot *boot);
// The firmware is about to get the machine back: exceptions are its own again.
void machine_close(void);
// The firmware has gone: interrupts off, console ours; `boot->ram` is what it has left.
void machine_left(const struct boot *boot);
// To the console without the firmware, once it has gone.
void machine_write(const char *text, size_t n);
// Tells the number to whatever runs the machine, and halts.
noreturn void machine_stop(unsigned number);
// Carries out loader.selftest= as struct platform says; a macro that is NULL in release builds.
void machine_selftest(const char *word, size_t n);

// Back to the firmware with this status, as if the entry point had returned.
noreturn void entry_return(uint64_t status);
