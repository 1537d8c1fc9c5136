// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// loader.selftest= on aarch64: faults before, during and after the hand-over.
#include "arch/aarch64/map.h"
#include "arch/aarch64/trampoline.h"
#include "core/exception.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/text.h"

// Covered by the loader's top table but above any RAM that a test machine has.
#define UNMAPPED (MAP_REACH - MIB(2))

// Source address of an eight-byte move in the trampoline; 0: the test was not requested.
static uint64_t move_from;
static uint64_t touch; // address that the trampoline reads by the kernel's page tables

void selftest(struct span word)
{
	if (span_is(word, "ud"))
		__asm__ volatile("udf #0");
	else if (span_is(word, "registers"))
		// A value of its own in every register but sp.
		__asm__ volatile(".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, "
				 "16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30\n"
				 "mov x\\n, #0x5e00 + \\n\n"
				 ".endr\n"
				 "udf #0");
	else if (span_is(word, "brk"))
		__asm__ volatile("brk #0");
	else if (span_is(word, "pf"))
		*(volatile char *)UNMAPPED = 0;
	else if (span_is(word, "stack"))
		__asm__ volatile("mov sp, %0; str x0, [sp]" : : "r"(UNMAPPED) : "memory");
	else if (span_is(word, "assert"))
		assert_failed("selftest");
	else if (span_is(word, "last-copy"))
		move_from = UNMAPPED;
	else if (span_is(word, "pf-handover"))
		// Unmapped in both sets of tables: the report must find the console by the
		// kernel's.
		touch = UNMAPPED;
	else
		die(refuse(STATUS_OPTION_VALUE,
			   "loader.selftest= knows ud, registers, brk, pf, stack, "
			   "pf-handover, last-copy, assert"));
}

void selftest_trampoline(struct trampoline_args *args)
{
	args->touch = touch;
	if (move_from == 0)
		return;
	args->copy_root = (uint64_t)map_root();
	args->move_from = move_from;
	args->move_size = 8;
}
