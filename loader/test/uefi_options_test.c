// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/uefi/options.h"

#include <string.h>

#include "core/cmdline.h"
#include "test/test.h"

static struct load_options found;
static char *written;

// Reads `size` bytes out of an allocation of just that size, at an odd address, into one of just
// what was promised.
static bool read_any(const void *bytes, uint32_t size, bool program)
{
	uint8_t *options = malloc(size + 1UL);
	size_t room = options_bound(size);
	memcpy(options + 1, bytes, size);
	free(written);
	written = malloc(room + 1);
	memset(written, '#', room + 1);
	char *out = malloc(room);
	bool good = options_read(options + 1, size, program, out, &found);
	CHECK(found.size <= room);
	if (good)
		memcpy(written, out, found.size);
	written[found.size] = '\0';
	free(out);
	free(options);
	return good;
}

static bool read_bytes(const void *bytes, uint32_t size)
{
	return read_any(bytes, size, false);
}

// With the NUL.
static uint32_t text_size(const uint16_t *text)
{
	uint32_t n = 0;
	while (text[n++] != 0)
		;
	return 2 * n;
}

static bool read_text(const uint16_t *text)
{
	return read_bytes(text, text_size(text));
}

static void check_initrd(const char *want)
{
	char got[INITRD_MAX];
	size_t n = 0;
	for (; n < INITRD_MAX - 1 && found.initrd[n] != 0; n++)
		got[n] = (char)found.initrd[n];
	got[n] = '\0';
	CHECK_STR(got, want);
	CHECK(found.has_initrd);
}

static void typed_arguments(void)
{
	static const struct {
		const uint16_t *options;
		const char *initrd; // NULL: none
		const char *text;   // NULL: none
	} cases[] = {
		{ u"", NULL, NULL },
		{ u" ", NULL, NULL },
		{ u" \t ", NULL, NULL },
		{ u"-freq 2000 -- one  two ", NULL, "-freq 2000 -- one  two " },
		{ u" a", NULL, " a" },
		{ u"initrd=app", "app", NULL },
		{ u"initrd=app ", "app", NULL },
		{ u"initrd=app  a", "app", " a" },
		{ u"initrd=\\apps\\one -- two", "\\apps\\one", "-- two" },
		{ u"initrd=/apps/one a=/b", "\\apps\\one", "a=/b" },
		{ u"-- two initrd=initrd", "initrd", "-- two" },
		{ u"initrd=one -- initrd=two", "one", "-- initrd=two" },
		{ u"-- initrd=one two", NULL, "-- initrd=one two" },
		{ u" initrd=one", "one", NULL },
		{ u"initrd=", "", NULL },
		{ u"initrd", NULL, "initrd" },
		{ u"xinitrd=one", NULL, "xinitrd=one" },
		{ u"a xinitrd=one", NULL, "a xinitrd=one" },
		{ u"INITRD=one", NULL, "INITRD=one" },
	};
	for (size_t i = 0; i < countof(cases); i++) {
		test_case("case %zu", i);
		CHECK(read_text(cases[i].options));
		CHECK_EQ(found.has_initrd, cases[i].initrd != NULL);
		CHECK_EQ(found.text, cases[i].text != NULL);
		CHECK_STR(written, cases[i].text != NULL ? cases[i].text : "");
		if (cases[i].initrd != NULL)
			check_initrd(cases[i].initrd);
	}
}

static void a_program_name_in_front(void)
{
	static const struct {
		const uint16_t *options;
		const char *text; // NULL: none
	} cases[] = {
		{ u"", NULL },
		{ u"hermit.efi", NULL },
		{ u" hermit.efi ", NULL },
		{ u"hermit.efi a b", "a b" },
		{ u"hermit.efi  a", " a" },
		{ u"\"my loaders\\hermit.efi\" a b", "a b" },
		{ u"fs0:\"my loaders\"\\hermit.efi a b", "a b" },
		{ u"\"never closed a b", NULL },
		{ u"initrd=app a", "a" }, // a strange name, but the first word
	};
	for (size_t i = 0; i < countof(cases); i++) {
		test_case("case %zu", i);
		CHECK(read_any(cases[i].options, text_size(cases[i].options), true));
		CHECK_EQ(found.text, cases[i].text != NULL);
		CHECK_EQ(found.has_initrd, 0);
		CHECK_STR(written, cases[i].text != NULL ? cases[i].text : "");
	}
}

static void text_becomes_utf8(void)
{
	CHECK(read_text(u"\u00e4\u07ff\u0800\uffff\U00010000\U0010ffff"));
	CHECK_STR(written, "\u00e4\u07ff\u0800\uffff\U00010000\U0010ffff");
	// As EDK II passes the bytes of QEMU's -append.
	CHECK(read_text(u"\u00c3\u00a4 x"));
	CHECK_STR(written, "\u00e4 x");
	// Two letters of Latin-1 that are no UTF-8.
	CHECK(read_text(u"\u00e4\u00e4"));
	CHECK_STR(written, "\u00e4\u00e4");
	// The longest that there is: three bytes for each character.
	CHECK(read_text(u"\uffff\uffff\uffff"));
	CHECK_EQ(found.size, 9);
}

static void what_is_no_text_is_none(void)
{
	static const uint16_t cases[][4] = {
		{ 'a', 1, 'b' }, { 'a', 0x1f },   { '\n' },        { 0x7f },
		{ 0xd800, 'a' }, { 'a', 0xd800 }, { 0xdc00, 'a' }, { 0xd800, 0xd800, 0xdc00 },
	};
	for (size_t i = 0; i < countof(cases); i++) {
		test_case("case %zu", i);
		CHECK(read_text(cases[i]));
		CHECK(!found.text && !found.has_initrd && found.size == 0);
	}
	test_case("a tab");
	CHECK(read_text(u"a\tb"));
	CHECK_STR(written, "a\tb");
}

static void sizes(void)
{
	static const uint16_t text[] = u"ab initrd=c";
	for (uint32_t size = 0; size <= sizeof text; size++) {
		test_case("%u bytes", size);
		CHECK(read_bytes(text, size));
		CHECK_EQ(found.text, size % 2 == 0 && size != 0);
		CHECK_EQ(found.has_initrd, size >= 20 && size % 2 == 0);
		CHECK(size % 2 != 0 || size < 4 || strncmp(written, "ab", 2) == 0);
	}
	// Nothing after the first NUL counts, valid or not.
	static const uint16_t after_nul[] = { 'a', 0, 1, 0xdc00, 'b' };
	CHECK(read_bytes(after_nul, sizeof after_nul));
	CHECK_STR(written, "a");
}

static void the_longest_path(void)
{
	uint16_t text[INITRD_MAX + 16] = u"initrd=";
	for (size_t n = 1; n <= INITRD_MAX + 1; n++) {
		text[6 + n] = 'p';
		text[7 + n] = 0;
		test_case("%zu characters", n);
		CHECK_EQ(read_text(text), n < INITRD_MAX);
		CHECK_EQ(found.initrd[0], n < INITRD_MAX ? 'p' : 0);
	}
}

// Any bytes at all: nothing beyond the allocations is touched, and what is written is UTF-8.
static void random_bytes(void)
{
	static const char letters[] = "initrd= /\\\xd8\xdc\x80\xff";
	uint64_t seed = 7;
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t bytes[96];
		uint32_t size = (uint32_t)(next_random(&seed) % sizeof bytes);
		for (uint32_t i = 0; i < size; i++)
			bytes[i] = i % 2 == 0 || next_random(&seed) % 8 == 0
					   ? (uint8_t)letters[next_random(&seed) %
							      (sizeof letters - 1)]
					   : 0;
		test_case("round %u", round);
		if (read_any(bytes, size, round % 2 != 0))
			CHECK_EQ(utf8_prefix((struct span){ (const uint8_t *)written, found.size }),
				 found.size);
	}
}

#define T(name) { #name, name }
SUITE(uefi_options, T(typed_arguments), T(a_program_name_in_front), T(text_becomes_utf8),
      T(what_is_no_text_is_none), T(sizes), T(the_longest_path), T(random_bytes));
