// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// loader.selftest= on x86_64: faults before, during and after the hand-over.
#include "arch/x86_64/trampoline.h"
#include "core/exception.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/text.h"

// Above MAP_REACH, and above what firmware maps.
#define UNMAPPED (UINT64_C(1) << 46)

// Source address of an eight-byte move in the trampoline; 0: the test was not requested.
static uint64_t move_from;

void selftest(struct span word)
{
	if (span_is(word, "de"))
		__asm__ volatile("divl %0" : : "r"(0), "a"(1), "d"(0));
	else if (span_is(word, "ud"))
		__asm__ volatile("ud2");
	else if (span_is(word, "registers"))
		// A value of its own in every register but rsp.
		__asm__ volatile(".set value, 0x5e00\n"
				 ".irp register, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, "
				 "r11, r12, r13, r14, r15\n"
				 ".set value, value + 1\n"
				 "mov $value, %\\register\n"
				 ".endr\n"
				 "ud2");
	else if (span_is(word, "pf"))
		*(volatile char *)UNMAPPED = 0;
	else if (span_is(word, "assert"))
		assert_failed("selftest");
	else if (span_is(word, "last-copy"))
		move_from = UNMAPPED;
	else if (span_is(word, "pf-handover"))
		// Mapped by the loader's page tables and not by the kernel's.
		move_from = (uint64_t)&move_from;
	else
		die(refuse(STATUS_OPTION_VALUE, "loader.selftest= knows de, ud, registers, pf, "
						"pf-handover, last-copy, assert"));
}

void selftest_trampoline(struct trampoline_args *args)
{
	if (move_from == 0)
		return;
	args->move_from = move_from;
	args->move_size = 8;
}
