// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the UEFI start needs from a CPU: one folder per CPU beside this file defines it.
#pragma once

#include "core/boot.h"

// Where the memory ends that the loader uses: what it can address without the firmware, and hand
// over.
extern const uint64_t machine_reach;

// Fills in what `boot` says of the machine but memory. Refuses a state that cannot be handed over,
// and may make exceptions ours. Boot services are there.
must_check enum status machine_open(struct boot *boot);
// The firmware is about to get the machine back: exceptions are its own again.
void machine_close(void);
// The firmware has gone: interrupts off, console ours; `boot->ram` is what it has left.
void machine_take_over(const struct boot *boot);
// To the console without the firmware, once it has gone; before machine_take_over(),
// too.
void machine_write(const char *text, size_t n);
// Tells the number to whatever runs the machine, and halts; with boot services still there when
// nobody shall get it back.
noreturn void machine_stop(unsigned number);

#ifdef LOADER_SELFTEST
#define MACHINE_SELFTEST machine_selftest
// As `selftest` of struct platform: the CPU's words, and what is special under UEFI.
void machine_selftest(const char *word, size_t n);
#else
#define MACHINE_SELFTEST NULL
#endif

// Back to the firmware with this status, as if the entry point had returned.
noreturn void entry_return(uint64_t status);
