// SPDX-License-Identifier: Apache-2.0 OR MIT
// Bounded formatting for log lines and node names: the subset of printf that the loader uses.
#pragma once

#include <stdarg.h>

#include "core/base.h"

// Writes at most `size` bytes to `out`, without NUL, and truncates the rest. Returns the number of
// bytes written. Conversions: %s, %.*s, %c, %u, %lu, %x, %lx, %#x, %#lx and %%. Any other
// conversion is printed verbatim.
size_t fmt_va(char *out, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
size_t fmt(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
