// SPDX-License-Identifier: Apache-2.0 OR MIT
// Checks. A failing one prints its location and what was compared; the test continues, and counts
// as failed.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "core/status.h"

struct test {
	const char *name;
	void (*run)(void);
};

struct suite {
	const char *name;
	const struct test *tests;
	size_t count;
};

#define SUITE(id, ...)                                           \
	extern const struct suite id##_suite;                    \
	static const struct test id##_tests[] = { __VA_ARGS__ }; \
	const struct suite id##_suite = { #id, id##_tests, countof(id##_tests) }

void check_true(bool good, const char *text, const char *file, int line);
void check_equal(uint64_t got, uint64_t want, const char *text, const char *file, int line);
void check_text(const char *got, const char *want, const char *file, int line);
void check_bytes(const void *got, const void *want, size_t n, const char *text, const char *file,
		 int line);
// A call that refused: its status, and that exactly one line was printed, "[LOADER][ERROR] " before
// `text` and a newline.
void check_refused(enum status got, enum status want, const char *text, const char *file, int line);
// The same if only the beginning of the text is given: its end is a list that grows.
void check_refused_so_far(enum status got, enum status want, const char *text, const char *file,
			  int line);

#define CHECK(condition) check_true((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQ(got, want) check_equal((uint64_t)(got), (uint64_t)(want), #got, __FILE__, __LINE__)
#define CHECK_STR(got, want) check_text((got), (want), __FILE__, __LINE__)
#define CHECK_BYTES(got, want, n) check_bytes((got), (want), (n), #got, __FILE__, __LINE__)
#define CHECK_REFUSED_SO_FAR(got, want, text) \
	check_refused_so_far((got), STATUS_##want, (text), __FILE__, __LINE__)
#define CHECK_REFUSED(got, want, text) \
	check_refused((got), STATUS_##want, (text), __FILE__, __LINE__)

// Names the case that the next checks are about, in tests that go through a table or a sweep.
// Printed where a check fails.
void test_case(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Which rules a check has seen raised in this run.
extern bool status_seen[STATUS_COUNT];
extern bool all_tests_run;

// A copy in an allocation of just that size, so that AddressSanitizer sees a read of one byte too
// many.
static inline uint8_t *exact_copy(const void *bytes, size_t n)
{
	uint8_t *p = malloc(n);
	if (n != 0)
		memcpy(p, bytes, n);
	return p;
}

// Small numbers that are the same on every run (xorshift).
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}
