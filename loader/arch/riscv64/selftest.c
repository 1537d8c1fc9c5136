// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// loader.selftest= on riscv64: faults before and during the hand-over.
#include "arch/riscv64/trampoline.h"
#include "core/exception.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/text.h"

// An address without memory: the highest bit of a 56-bit physical address.
#define UNMAPPED (UINT64_C(1) << 55)

// Source address of an eight-byte move in the trampoline; 0: the test was not requested.
static uint64_t move_from;

void selftest(struct span word)
{
	if (span_is(word, "ud"))
		__asm__ volatile("unimp");
	else if (span_is(word, "registers"))
		// A value of its own in every register.
		__asm__ volatile(".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, "
				 "17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
				 "li x\\n, 0x500 + \\n\n"
				 ".endr\n"
				 "unimp");
	else if (span_is(word, "pf"))
		*(volatile char *)UNMAPPED = 0;
	else if (span_is(word, "assert"))
		assert_failed("selftest");
	else if (span_is(word, "last-copy"))
		move_from = UNMAPPED;
	else
		die(refuse(STATUS_OPTION_VALUE,
			   "loader.selftest= knows ud, registers, pf, last-copy, assert"));
}

void selftest_trampoline(struct trampoline_args *args)
{
	if (move_from == 0)
		return;
	args->move_from = move_from;
	args->move_size = 8;
}
