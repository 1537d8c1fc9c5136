// SPDX-License-Identifier: Apache-2.0 OR MIT
// Texts that are a pointer and a length, not NUL-terminated.
#pragma once

#include "base.h"

// Is it `wanted`, which ends with a NUL?
static inline bool text_is(const char *text, size_t n, const char *wanted)
{
	size_t i = 0;
	while (i < n && wanted[i] == text[i] && wanted[i] != '\0')
		i++;
	return i == n && wanted[i] == '\0';
}
