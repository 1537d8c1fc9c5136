// SPDX-License-Identifier: Apache-2.0 OR MIT
// String comparison. The loader has no libc.
#pragma once

#include "core/base.h"

// Returns true if the `n` bytes at `text` equal the NUL-terminated `wanted`. `text` needs no NUL.
static inline bool text_is(const char *text, size_t n, const char *wanted)
{
	size_t i = 0;
	while (i < n && wanted[i] == text[i] && wanted[i] != '\0')
		i++;
	return i == n && wanted[i] == '\0';
}

// Both strings are NUL-terminated.
static inline bool text_equal(const char *a, const char *b)
{
	for (; *a != '\0' && *a == *b; a++)
		b++;
	return *a == *b;
}
