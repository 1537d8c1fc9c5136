// SPDX-License-Identifier: Apache-2.0 OR MIT
// loader.selftest=WORD raises a CPU exception in the loader or in the trampoline, so that tests can
// verify its report: no input does that. Debug profile only.
#pragma once

#include "core/base.h"

struct trampoline_args; // arch/*/trampoline.h

#ifdef LOADER_SELFTEST
#define SELFTEST selftest
void selftest(const char *word, size_t n);
void selftest_trampoline(struct trampoline_args *args);
#else
#define SELFTEST NULL
static inline void selftest_trampoline(struct trampoline_args *args)
{
	(void)args;
}
#endif
