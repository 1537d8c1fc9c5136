// SPDX-License-Identifier: Apache-2.0 OR MIT
// Bounded formatting.
#pragma once

#include <stdarg.h>

#include "core/base.h"

// Writes at most `size` bytes, without a terminating NUL, and returns how many it wrote; what does
// not fit is cut off. Known: %s, %.*s, %c, %u, %lu, %x, %lx, %#x, %#lx and %%. Anything else is
// printed as it stands.
size_t fmt_va(char *out, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
size_t fmt(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
