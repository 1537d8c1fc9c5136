// SPDX-License-Identifier: Apache-2.0 OR MIT
// Comparing texts.
#pragma once

#include "core/base.h"

// Is it `wanted`, which ends with a NUL? The text itself need not.
static inline bool text_is(const char *text, size_t n, const char *wanted)
{
	size_t i = 0;
	while (i < n && wanted[i] == text[i] && wanted[i] != '\0')
		i++;
	return i == n && wanted[i] == '\0';
}

// Both end with a NUL.
static inline bool text_equal(const char *a, const char *b)
{
	for (; *a != '\0' && *a == *b; a++)
		b++;
	return *a == *b;
}
