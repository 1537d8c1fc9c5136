// SPDX-License-Identifier: Apache-2.0 OR MIT
// Console and end of the machine by RISC-V's SBI (specification 2.0). Part of the trampoline
// (arch/riscv64/trampoline.h): calls nothing outside.
#pragma once

#include "core/base.h"

// Asks the firmware what it has.
void sbi_open(void);

// All bytes, as they are; the firmware reads them at their address.
void sbi_write(const char *bytes, size_t n);

// Whether the firmware starts harts one by one when it is asked (extension HSM). If not, all of
// them come where the loader begins.
bool sbi_starts_harts(void);

// Where QEMU's `sifive,test0` device is, which tells the outside world a number; 0: there is none.
void sbi_set_finisher(uint64_t address);

// Ends the machine with a number where that can be told, else shuts it down, else waits for ever.
noreturn void sbi_shutdown(unsigned number);
