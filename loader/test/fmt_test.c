// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/text.h"
#include "test/test.h"

#include <string.h>

// Formats into an allocation of just `room` bytes and returns the text with a NUL.
#define FMT(room, ...) (finish(fmt(start(room), (room), __VA_ARGS__)))

static char *buffer;
static char text[256];

static char *start(size_t room)
{
	buffer = malloc(room);
	return buffer;
}

static const char *finish(size_t n)
{
	memcpy(text, buffer, n);
	text[n] = '\0';
	free(buffer);
	return text;
}

static void every_conversion(void)
{
	CHECK_STR(FMT(99, "%s", "word"), "word");
	CHECK_STR(FMT(99, "<%s>", ""), "<>");
	CHECK_STR(FMT(99, "<%.*s>", 3, "abcdef"), "<abc>");
	CHECK_STR(FMT(99, "<%.*s>", 0, "abcdef"), "<>");
	CHECK_STR(FMT(99, "<%.*s>", 9, "abc"), "<abc>");
	CHECK_STR(FMT(99, "%c%c", 'a', 'b'), "ab");
	CHECK_STR(FMT(99, "%u %u %u", 0U, 10U, UINT32_MAX), "0 10 4294967295");
	CHECK_STR(FMT(99, "%lu", UINT64_MAX), "18446744073709551615");
	CHECK_STR(FMT(99, "%x %x", 0U, 0xdeadbeefU), "0 deadbeef");
	CHECK_STR(FMT(99, "%lx", UINT64_MAX), "ffffffffffffffff");
	CHECK_STR(FMT(99, "%#x", 0x10U), "0x10");
	CHECK_STR(FMT(99, "%#lx..%#lx", (uint64_t)0, (uint64_t)1 << 63), "0x0..0x8000000000000000");
	CHECK_STR(FMT(99, "100%%"), "100%");
	CHECK_STR(FMT(99, "plain"), "plain");
}

static void a_span_is_not_read_beyond_its_length(void)
{
	uint8_t *bytes = exact_copy("abc", 3); // no NUL after it
	CHECK_STR(FMT(99, "%.*s", 3, (const char *)bytes), "abc");
	free(bytes);
}

// What the compiler's check would not let through.
static void unknown_conversions_are_printed_verbatim(void)
{
	static const char odd[][8] = { "%d", "%", "%q!", "a%-5s" };
	static const char *const want[] = { "%d", "%", "%q!", "a%-5s" };
	for (size_t i = 0; i < countof(odd); i++) {
		const char *volatile format = odd[i];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
		CHECK_STR(FMT(99, format), want[i]);
#pragma GCC diagnostic pop
	}
}

static void what_does_not_fit_is_cut(void)
{
	static const char whole[] = "ab0x12cd18446744073709551615%z";
	for (size_t room = 0; room <= sizeof whole - 1; room++) {
		char want[sizeof whole];
		memcpy(want, whole, room);
		want[room] = '\0';
		test_case("room for %zu", room);
		CHECK_STR(FMT(room, "%s%#xc%c%lu%%z", "ab", 0x12U, 'd', UINT64_MAX), want);
	}
}

static void the_number_of_bytes_is_returned(void)
{
	char out[8];
	CHECK_EQ(fmt(out, sizeof out, "%s", "abc"), 3);
	CHECK_EQ(fmt(out, sizeof out, "%s", "abcdefghij"), 8);
	CHECK_EQ(fmt(out, 0, "%s", "abc"), 0);
	CHECK_EQ(fmt(out, sizeof out, "%s", ""), 0);
}

SUITE(fmt, { "every_conversion", every_conversion },
      { "a_span_is_not_read_beyond_its_length", a_span_is_not_read_beyond_its_length },
      { "unknown_conversions_are_printed_verbatim", unknown_conversions_are_printed_verbatim },
      { "what_does_not_fit_is_cut", what_does_not_fit_is_cut },
      { "the_number_of_bytes_is_returned", the_number_of_bytes_is_returned });
