// SPDX-License-Identifier: Apache-2.0 OR MIT
// The part of the UEFI protocol that depends on the CPU. uefi/<cpu>/machine.c and entry.* define
// it.
#pragma once

#include "core/boot.h"

// End of the memory that the loader uses: what it can map after ExitBootServices and hand over.
extern const uint64_t machine_reach;

// Fills the fields of `boot` for the machine, except memory, and may install the loader's exception
// vectors. Refuses a state that the loader cannot hand over. Boot services are available.
must_check enum status machine_open(struct boot *boot);
// Restores the firmware's exception vectors, before the loader returns to it.
void machine_close(void);
// Takes the machine after ExitBootServices, for a kernel of `era`: masks interrupts, opens the
// console, maps `boot->ram`.
void machine_take_over(const struct boot *boot, const struct era *era);
// Writes to the console without firmware, after ExitBootServices. Can precede machine_take_over().
void machine_write(const char *text, size_t n);
// Ends the machine with the status `number`, by the exit device if there is one. With
// loader.onerror=stop boot services can still be active.
noreturn void machine_stop(unsigned number);

#ifdef LOADER_SELFTEST
#define MACHINE_SELFTEST machine_selftest
// `selftest` of struct platform: the words of the CPU, and those that only UEFI has.
void machine_selftest(struct span word);
#else
#define MACHINE_SELFTEST NULL
#endif

// Returns `status` from the entry point to the firmware, from any depth of calls.
noreturn void efi_return(uint64_t status);
