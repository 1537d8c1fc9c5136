// SPDX-License-Identifier: Apache-2.0 OR MIT
// Console and shutdown by RISC-V SBI calls (SBI specification 2.0). The trampoline contains this
// file (arch/riscv64/trampoline.h): it calls no function outside.
#pragma once

#include "core/base.h"

// Queries which extensions the firmware has. Must precede sbi_write().
void sbi_open(void);

// Writes `n` bytes. The firmware reads them from their physical address, so satp must be 0.
void sbi_write(const char *bytes, size_t n);

// Whether the firmware has the HSM extension. If not, every hart enters the loader.
bool sbi_has_hsm(void);

// With firmware that can lose the address at which a hart starts (OpenSBI before 1.3): makes each
// of `harts`, a bit mask, sleep in the firmware. `entry` is code that stops the hart that runs it.
void sbi_settle_harts(uint64_t harts, uint64_t entry);

// Physical address of the exit device, QEMU's `sifive,test0` finisher; 0: none.
void sbi_set_finisher(uint64_t address);

// Ends the machine: by the finisher, which passes `number` to the host, else by an SBI shutdown,
// else by halting this hart.
noreturn void sbi_shutdown(unsigned number);
