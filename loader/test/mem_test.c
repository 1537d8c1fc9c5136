// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The loader's own memcpy, memmove, memset and memcmp, portable and for the CPU, against plain
// loops, at every small size, offset and overlap.
#include "test/test.h"

#define FUNCTIONS(prefix)                                                              \
	void *prefix##_memcpy(void *restrict to, const void *restrict from, size_t n); \
	void *prefix##_memmove(void *to, const void *from, size_t n);                  \
	void *prefix##_memset(void *to, int byte, size_t n)

FUNCTIONS(portable);
FUNCTIONS(x86_64);
int portable_memcmp(const void *a, const void *b, size_t n);

static const struct functions {
	const char *name;
	void *(*copy)(void *restrict to, const void *restrict from, size_t n);
	void *(*move)(void *to, const void *from, size_t n);
	void *(*set)(void *to, int byte, size_t n);
} all[] = {
	{ "portable", portable_memcpy, portable_memmove, portable_memset },
	{ "x86_64", x86_64_memcpy, x86_64_memmove, x86_64_memset },
};

enum { BYTES = 96, MOST = 40 };

static void fill(uint8_t *p)
{
	for (unsigned i = 0; i < BYTES; i++)
		p[i] = (uint8_t)(i * 5 + 1);
}

static void copy_copies_just_that(void)
{
	for (const struct functions *f = all; f < all + countof(all); f++) {
		for (size_t n = 0; n <= MOST; n++) {
			for (size_t offset = 0; offset < 8; offset++) {
				uint8_t from[BYTES], to[BYTES], want[BYTES];
				fill(from);
				memset(to, 0xee, BYTES);
				memset(want, 0xee, BYTES);
				for (size_t i = 0; i < n; i++)
					want[8 + offset + i] = from[3 + i];
				test_case("%s, %zu bytes, offset %zu", f->name, n, offset);
				CHECK(f->copy(to + 8 + offset, from + 3, n) == to + 8 + offset);
				CHECK_BYTES(to, want, BYTES);
			}
		}
	}
}

static void move_is_right_for_every_overlap(void)
{
	for (const struct functions *f = all; f < all + countof(all); f++) {
		for (size_t n = 0; n <= MOST; n++) {
			for (size_t to = 0; to <= 48; to++) {
				uint8_t got[BYTES], old[BYTES], want[BYTES];
				fill(got);
				fill(old);
				fill(want);
				for (size_t i = 0; i < n; i++)
					want[to + i] = old[24 + i];
				test_case("%s, %zu bytes from 24 to %zu", f->name, n, to);
				CHECK(f->move(got + to, got + 24, n) == got + to);
				CHECK_BYTES(got, want, BYTES);
			}
		}
	}
}

static void set_sets_just_that(void)
{
	static const int bytes[] = { 0, 0x7f, 0xa5, 0x1ff };
	for (const struct functions *f = all; f < all + countof(all); f++) {
		for (size_t n = 0; n <= MOST; n++) {
			for (size_t b = 0; b < countof(bytes); b++) {
				uint8_t got[BYTES], want[BYTES];
				fill(got);
				fill(want);
				for (size_t i = 0; i < n; i++)
					want[5 + i] = (uint8_t)bytes[b];
				test_case("%s, %zu bytes of %x", f->name, n, (unsigned)bytes[b]);
				CHECK(f->set(got + 5, bytes[b], n) == got + 5);
				CHECK_BYTES(got, want, BYTES);
			}
		}
	}
}

static void compare_orders_as_unsigned_bytes(void)
{
	CHECK(portable_memcmp("abc", "abc", 3) == 0);
	CHECK(portable_memcmp("abc", "abd", 3) < 0);
	CHECK(portable_memcmp("abd", "abc", 3) > 0);
	CHECK(portable_memcmp("\x80", "\x7f", 1) > 0);
	CHECK(portable_memcmp("abX", "abY", 2) == 0);
	CHECK(portable_memcmp("a", "b", 0) == 0);
}

static void an_exact_allocation_is_enough(void)
{
	for (const struct functions *f = all; f < all + countof(all); f++) {
		uint8_t *a = exact_copy("0123456789abc", 13), *b = exact_copy("ABCDEFGHIJKLM", 13);
		f->copy(a, b, 13);
		f->move(a + 1, a, 12);
		CHECK_BYTES(a, "AABCDEFGHIJKL", 13);
		CHECK(portable_memcmp(a, b, 13) < 0);
		f->set(a, 0, 13);
		free(a);
		free(b);
	}
}

SUITE(mem, { "copy_copies_just_that", copy_copies_just_that },
      { "move_is_right_for_every_overlap", move_is_right_for_every_overlap },
      { "set_sets_just_that", set_sets_just_that },
      { "compare_orders_as_unsigned_bytes", compare_orders_as_unsigned_bytes },
      { "an_exact_allocation_is_enough", an_exact_allocation_is_enough });
