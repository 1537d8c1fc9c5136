// SPDX-License-Identifier: Apache-2.0 OR MIT
// Strings: comparison, and the subset of printf that log lines and node names need. The loader has
// no libc.
#pragma once

#include <stdarg.h>

#include "core/span.h"

// Returns true if the bytes of `s`, which has no NUL, are those of the NUL-terminated `wanted`.
static inline bool span_is(struct span s, const char *wanted)
{
	size_t i = 0;
	while (i < s.n && (uint8_t)wanted[i] == s.p[i] && wanted[i] != '\0')
		i++;
	return i == s.n && wanted[i] == '\0';
}

// Both strings are NUL-terminated.
static inline bool text_equal(const char *a, const char *b)
{
	for (; *a != '\0' && *a == *b; a++)
		b++;
	return *a == *b;
}

// Returns the length of a NUL-terminated string.
static inline size_t text_length(const char *text)
{
	size_t n = 0;
	while (text[n] != '\0')
		n++;
	return n;
}

// Writes at most `size` bytes to `out`, without NUL, and truncates the rest. Returns the number of
// bytes written. Conversions: %s, %.*s, %c, %u, %lu, %x, %lx, %#x, %#lx and %%. Any other
// conversion is printed verbatim.
size_t fmt_va(char *out, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
size_t fmt(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
