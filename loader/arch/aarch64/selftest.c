// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "arch/aarch64/map.h"
#include "arch/aarch64/trampoline.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/selftest.h"
#include "core/text.h"

// Within the reach of the loader's tables; machines with so much memory run no self-test.
#define UNMAPPED (MAP_REACH - MIB(2))

// from where the trampoline shall move eight bytes; 0: no such test
static uint64_t move_from;
static uint64_t touch; // what it shall read by the new tables

void selftest(const char *word, size_t n)
{
	if (text_is(word, n, "ud"))
		__asm__ volatile("udf #0");
	else if (text_is(word, n, "brk"))
		__asm__ volatile("brk #0");
	else if (text_is(word, n, "pf"))
		*(volatile char *)UNMAPPED = 0;
	else if (text_is(word, n, "stack"))
		__asm__ volatile("mov sp, %0; str x0, [sp]" : : "r"(UNMAPPED) : "memory");
	else if (text_is(word, n, "assert"))
		assert_failed("selftest");
	else if (text_is(word, n, "last-copy"))
		move_from = UNMAPPED;
	else if (text_is(word, n, "pf-handover"))
		// mapped for nobody: the report must find the console by the new tables
		touch = UNMAPPED;
	else
		die(refuse(STATUS_OPTION_VALUE, "loader.selftest= knows ud, brk, pf, stack, "
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
