// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The loader's own memcpy, memmove and memset for this CPU, and memcmp, against plain loops, at
// every small size, offset and overlap.
#include "test/test.h"

void *x86_64_memcpy(void *restrict to, const void *restrict from, size_t n);
void *x86_64_memmove(void *to, const void *from, size_t n);
void *x86_64_memset(void *to, int byte, size_t n);
int loader_memcmp(const void *a, const void *b, size_t n);

enum { BYTES = 96, MOST = 40 };

static void fill(uint8_t *p)
{
	for (unsigned i = 0; i < BYTES; i++)
		p[i] = (uint8_t)(i * 5 + 1);
}

static void copy_copies_just_that(void)
{
	for (size_t n = 0; n <= MOST; n++) {
		for (size_t offset = 0; offset < 8; offset++) {
			uint8_t from[BYTES], to[BYTES], want[BYTES];
			fill(from);
			memset(to, 0xee, BYTES);
			memset(want, 0xee, BYTES);
			for (size_t i = 0; i < n; i++)
				want[8 + offset + i] = from[3 + i];
			test_case("%zu bytes, offset %zu", n, offset);
			CHECK(x86_64_memcpy(to + 8 + offset, from + 3, n) == to + 8 + offset);
			CHECK_BYTES(to, want, BYTES);
		}
	}
}

static void move_is_right_for_every_overlap(void)
{
	for (size_t n = 0; n <= MOST; n++) {
		for (size_t to = 0; to <= 48; to++) {
			uint8_t got[BYTES], old[BYTES], want[BYTES];
			fill(got);
			fill(old);
			fill(want);
			for (size_t i = 0; i < n; i++)
				want[to + i] = old[24 + i];
			test_case("%zu bytes from 24 to %zu", n, to);
			CHECK(x86_64_memmove(got + to, got + 24, n) == got + to);
			CHECK_BYTES(got, want, BYTES);
		}
	}
}

static void set_sets_just_that(void)
{
	static const int bytes[] = { 0, 0x7f, 0xa5, 0x1ff };
	for (size_t n = 0; n <= MOST; n++) {
		for (size_t b = 0; b < countof(bytes); b++) {
			uint8_t got[BYTES], want[BYTES];
			fill(got);
			fill(want);
			for (size_t i = 0; i < n; i++)
				want[5 + i] = (uint8_t)bytes[b];
			test_case("%zu bytes of %x", n, (unsigned)bytes[b]);
			CHECK(x86_64_memset(got + 5, bytes[b], n) == got + 5);
			CHECK_BYTES(got, want, BYTES);
		}
	}
}

static void compare_orders_as_unsigned_bytes(void)
{
	CHECK(loader_memcmp("abc", "abc", 3) == 0);
	CHECK(loader_memcmp("abc", "abd", 3) < 0);
	CHECK(loader_memcmp("abd", "abc", 3) > 0);
	CHECK(loader_memcmp("\x80", "\x7f", 1) > 0);
	CHECK(loader_memcmp("abX", "abY", 2) == 0);
	CHECK(loader_memcmp("a", "b", 0) == 0);
}

static void an_exact_allocation_is_enough(void)
{
	uint8_t *a = exact_copy("0123456789abc", 13), *b = exact_copy("ABCDEFGHIJKLM", 13);
	x86_64_memcpy(a, b, 13);
	x86_64_memmove(a + 1, a, 12);
	CHECK_BYTES(a, "AABCDEFGHIJKL", 13);
	CHECK(loader_memcmp(a, b, 13) < 0);
	x86_64_memset(a, 0, 13);
	free(a);
	free(b);
}

SUITE(mem, { "copy_copies_just_that", copy_copies_just_that },
      { "move_is_right_for_every_overlap", move_is_right_for_every_overlap },
      { "set_sets_just_that", set_sets_just_that },
      { "compare_orders_as_unsigned_bytes", compare_orders_as_unsigned_bytes },
      { "an_exact_allocation_is_enough", an_exact_allocation_is_enough });
