// SPDX-License-Identifier: Apache-2.0 OR MIT
// One instruction a function.
#pragma once

#include "core/base.h"

static inline void cpu_wait(void)
{
	__asm__ volatile("wfi" : : : "memory");
}

// What was written to memory may be run from now on.
static inline void cpu_fence_i(void)
{
	__asm__ volatile("fence.i" : : : "memory");
}
