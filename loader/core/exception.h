// SPDX-License-Identifier: Apache-2.0 OR MIT
// Two things beside the report of a CPU exception: the names of functions, which it prints, and
// self-tests, which raise exceptions so that tests can verify the report.
#pragma once

#include "core/span.h"

// Returns the name of the loader's function that contains `address` and sets `offset` to the
// distance from its start. Returns NULL, and leaves `offset` unset, if the address is not in the
// loader's .text.
const char *symbol_find(uint64_t address, uint64_t *offset);

struct trampoline_args; // arch/*/trampoline.h

// loader.selftest=WORD raises a CPU exception in the loader or in the trampoline, so that tests can
// verify its report: no input does that. Debug profile only.
#ifdef LOADER_SELFTEST
#define SELFTEST selftest
void selftest(struct span word);
void selftest_trampoline(struct trampoline_args *args);
#else
#define SELFTEST NULL
static inline void selftest_trampoline(struct trampoline_args *args)
{
	(void)args;
}
#endif
