// SPDX-License-Identifier: Apache-2.0 OR MIT
// Types, units and helpers that every file of the loader may use. Nothing here allocates or prints.
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define countof(array) (sizeof(array) / sizeof((array)[0]))
#define must_check __attribute__((warn_unused_result))
// Unlike _Noreturn, the attribute is part of a function pointer's type in every compiler.
#define noreturn __attribute__((noreturn))
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)
// The smallest page of every supported CPU.
#define PAGE_SIZE UINT64_C(0x1000)

// Format strings rely on LP64: %lx and %lu print a uint64_t.
_Static_assert(sizeof(unsigned long) == 8 && sizeof(size_t) == 8, "LP64 only");

// `align` must be a power of two.
static inline uint64_t align_down(uint64_t value, uint64_t align)
{
	return value & ~(align - 1);
}

// `align` must be a power of two. If the result does not fit in 64 bits, it is 0: callers bound
// `value` first, or check the result.
static inline uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

static inline bool is_power_of_two(uint64_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

// Stores the sum modulo 2^64 in `sum`. Returns true on overflow.
static inline bool add_overflows(uint64_t a, uint64_t b, uint64_t *sum)
{
	return __builtin_add_overflow(a, b, sum);
}

// GCC and Clang may emit calls of these four functions in freestanding code, too. The first three
// are in arch/<cpu>/mem.*, memcmp() is in mem.c.
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
