// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "arch/x86_64/map.h"
#include "arch/x86_64/trampoline.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/selftest.h"
#include "core/text.h"

// Mapped by nobody: tables of ours end before, and no firmware maps so much.
#define UNMAPPED (UINT64_C(1) << 46)

// From where the trampoline shall move eight bytes; 0: no such test.
static uint64_t move_from;

void selftest(const char *word, size_t n)
{
	if (text_is(word, n, "de"))
		__asm__ volatile("divl %0" : : "r"(0), "a"(1), "d"(0));
	else if (text_is(word, n, "ud"))
		__asm__ volatile("ud2");
	else if (text_is(word, n, "pf"))
		*(volatile char *)UNMAPPED = 0;
	else if (text_is(word, n, "assert"))
		assert_failed("selftest");
	else if (text_is(word, n, "last-copy"))
		move_from = UNMAPPED;
	else if (text_is(word, n, "pf-handover"))
		// mapped for the loader, and no more once the tables are switched
		move_from = (uint64_t)&move_from;
	else
		die(refuse(STATUS_OPTION_VALUE,
			   "loader.selftest= knows de, ud, pf, pf-handover, last-copy, assert"));
}

void selftest_trampoline(struct trampoline_args *args)
{
	if (move_from == 0)
		return;
	args->move_from = move_from;
	args->move_size = 8;
}
