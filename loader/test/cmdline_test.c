// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/cmdline.h"

#include <string.h>

#include "test/fake.h"
#include "test/test.h"

static struct loader_options options;

static enum status read_line(const char *line, size_t n)
{
	uint8_t *copy = exact_copy(line, n);
	console_open();
	options = (struct loader_options){ .log = LOG_INFO };
	enum status status = cmdline_options((struct span){ copy, n }, &options);
	options.selftest.p = NULL; // of the copy
	free(copy);
	return status;
}

static enum status options_of(const char *line)
{
	return read_line(line, strlen(line));
}

static void strips_to(const char *line, const char *want)
{
	size_t n = strlen(line);
	uint8_t *copy = exact_copy(line, n);
	char *out = malloc(n);
	size_t kept = cmdline_strip((struct span){ copy, n }, out);
	test_case("\"%s\"", line);
	CHECK_EQ(kept, strlen(want));
	if (kept == strlen(want))
		CHECK_BYTES(out, want, kept);
	free(out);
	free(copy);
}

static void a_line_without_loader_options_is_unchanged(void)
{
	static const char *const lines[] = {
		"",
		" ",
		"  \t\n ",
		"a",
		"a b",
		"loader",
		"loader.",
		"loader.elf",
		"/x/loader.log=debug",
		"xloader.log=1",
		"Loader.log=debug",
		"-- loader.log=debug",
		"a  --  loader.what=ever",
		"freq=1 -- x",
		"--",
	};
	for (size_t i = 0; i < countof(lines); i++) {
		CHECK_EQ(options_of(lines[i]), STATUS_OK);
		CHECK_EQ(options.log, LOG_INFO);
		CHECK_EQ(options.on_error, ON_ERROR_STOP);
		CHECK_EQ(options.entry_version, 0);
		strips_to(lines[i], lines[i]);
	}
}

static void every_option(void)
{
	static const char *const levels[] = { "error", "warn", "info", "debug", "trace" };
	char line[64];
	for (unsigned i = 0; i < countof(levels); i++) {
		snprintf(line, sizeof line, "path loader.log=%s", levels[i]);
		CHECK_EQ(options_of(line), STATUS_OK);
		CHECK_EQ(options.log, i);
	}
	CHECK(!options.plain);
	CHECK_EQ(options_of("loader.log-style=plain"), STATUS_OK);
	CHECK(options.plain);
	CHECK_EQ(options_of("loader.log-style=plain loader.log-style=level"), STATUS_OK);
	CHECK(!options.plain);
	CHECK_EQ(options_of("loader.onerror=return"), STATUS_OK);
	CHECK_EQ(options.on_error, ON_ERROR_RETURN);
	CHECK_EQ(options_of("loader.onerror=stop"), STATUS_OK);
	CHECK_EQ(options.on_error, ON_ERROR_STOP);
	CHECK_EQ(options_of("loader.era=e4"), STATUS_OK);
	CHECK_EQ(options.entry_version, 4);
	CHECK_EQ(options_of("loader.era=h0"), STATUS_OK);
	CHECK_EQ(options.entry_version, ENTRY_VERSION_H0);
	CHECK_EQ(options_of("loader.selftest=pf"), STATUS_OK);
	CHECK_EQ(options.selftest.n, 2);
	// the last one counts
	CHECK_EQ(options_of("loader.log=error loader.log=trace"), STATUS_OK);
	CHECK_EQ(options.log, LOG_TRACE);
}

static void words_after_the_dashes_are_the_applications(void)
{
	CHECK_EQ(options_of("loader.log=warn -- loader.log=trace loader.x=y"), STATUS_OK);
	CHECK_EQ(options.log, LOG_WARN);
	// a word that only begins so
	CHECK_EQ(options_of("--x loader.log=warn"), STATUS_OK);
	CHECK_EQ(options.log, LOG_WARN);
}

static void loader_options_are_removed(void)
{
	strips_to("loader.log=debug", "");
	strips_to("path loader.log=debug", "path");
	strips_to("path loader.log=debug rest", "path rest");
	strips_to("loader.log=debug rest", " rest");
	strips_to("a  loader.log=debug  b", "a   b");
	strips_to("a loader.log=debug loader.era=e4 b -- c  d", "a b -- c  d");
	strips_to("a\tloader.log=debug\nb", "a\nb");
	strips_to("a loader.log=debug -- loader.log=debug", "a -- loader.log=debug");
	strips_to("a loader.log=debug ", "a ");
}

// Kernels split the line like a shell: what is in quotes is one word, whatever it contains.
static void words_with_quotes(void)
{
	static const char *const kept[] = {
		"env='A=try loader.log=debug now'",
		"'env=A=x loader.what=ever'",
		"env=\"A=it's loader.what=ever\"",
		"env=\"A=\\\" loader.what=ever\"",
		"env=A=\\ loader.what=ever",
		"'it'\\''s loader.what=ever'",
		"env=A='\\ loader.what=ever'",
		"'loader.log=debug'",
		"x\\",
	};
	for (size_t i = 0; i < countof(kept); i++) {
		test_case("%s", kept[i]);
		CHECK_EQ(options_of(kept[i]), STATUS_OK);
		CHECK_EQ(options.log, LOG_INFO);
		strips_to(kept[i], kept[i]);
	}
	static const struct {
		const char *line, *stripped;
	} read[] = {
		// `--` in quotes does not end the options.
		{ "env='A=x -- y' loader.log=debug -- z", "env='A=x -- y' -- z" },
		{ "env=\"A=x -- y\" loader.log=debug", "env=\"A=x -- y\"" },
		// A backslash between single quotes is an ordinary character.
		{ "env='A=\\' loader.log=debug", "env='A=\\'" },
		{ "a\\'b loader.log=debug c'd", "a\\'b c'd" },
		// So is a quote without an end.
		{ "/o'neil/loader loader.log=debug", "/o'neil/loader" },
		{ "a\"b loader.log=debug c\\\"d", "a\"b c\\\"d" },
	};
	for (size_t i = 0; i < countof(read); i++) {
		test_case("%s", read[i].line);
		CHECK_EQ(options_of(read[i].line), STATUS_OK);
		CHECK_EQ(options.log, LOG_DEBUG);
		strips_to(read[i].line, read[i].stripped);
	}
}

static void unknown_keys_are_refused(void)
{
	CHECK_REFUSED(options_of("loader.lok=debug"), OPTION_UNKNOWN,
		      "93 option-unknown: loader.lok= is unknown; known are log, "
		      "log-style, onerror, era");
	CHECK_REFUSED(options_of("loader.=x"), OPTION_UNKNOWN,
		      "93 option-unknown: loader.= is unknown; known are log, "
		      "log-style, onerror, era");
	CHECK_REFUSED(options_of("a loader.logg=info -- b"), OPTION_UNKNOWN,
		      "93 option-unknown: loader.logg= is unknown; known are log, "
		      "log-style, onerror, era");
}

static void unknown_values_are_refused(void)
{
	CHECK_REFUSED(options_of("loader.log=loud"), OPTION_VALUE,
		      "93 option-value: loader.log= does not know \"loud\"");
	CHECK_REFUSED(options_of("loader.log="), OPTION_VALUE,
		      "93 option-value: loader.log= does not know \"\"");
	CHECK_REFUSED(options_of("loader.log=info1"), OPTION_VALUE,
		      "93 option-value: loader.log= does not know \"info1\"");
	CHECK_REFUSED(options_of("loader.onerror=Stop"), OPTION_VALUE,
		      "93 option-value: loader.onerror= does not know \"Stop\"");
	CHECK_REFUSED(options_of("loader.era=4"), OPTION_VALUE,
		      "93 option-value: loader.era= does not know \"4\"");
	CHECK_REFUSED(options_of("loader.era=e0"), OPTION_VALUE,
		      "93 option-value: loader.era= does not know \"e0\"");
	CHECK_REFUSED(options_of("loader.era=e44"), OPTION_VALUE,
		      "93 option-value: loader.era= does not know \"e44\"");
}

static void the_longest_line(void)
{
	char *line = malloc(CMDLINE_MAX + 1);
	memset(line, 'x', CMDLINE_MAX + 1);
	CHECK_EQ(read_line(line, CMDLINE_MAX), STATUS_OK);
	CHECK_REFUSED(read_line(line, CMDLINE_MAX + 1), CMDLINE_TOO_LONG,
		      "93 cmdline-too-long: the command line has more than 65536 bytes");
	free(line);
}

static void good_utf8(void)
{
	static const char *const lines[] = {
		"\x7f",
		"\xc2\x80",
		"\xdf\xbf",
		"\xe0\xa0\x80",
		"\xe1\x80\x80",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
		"\xef\xbf\xbf",
		"\xf0\x90\x80\x80",
		"\xf3\xbf\xbf\xbf",
		"\xf4\x8f\xbf\xbf",
		"a\xc3\xa4"
		"b\xe2\x82\xac"
		"c",
	};
	for (size_t i = 0; i < countof(lines); i++) {
		test_case("line %zu", i);
		CHECK_EQ(options_of(lines[i]), STATUS_OK);
	}
}

static void bad_utf8(void)
{
	static const char *const lines[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2\x7f",
		"\xc2\xc0",
		"\xe0\x9f\xbf",
		"\xe0\xa0",
		"\xe1\x80\x7f",
		"\xe1\x80\xc0",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xf0\x90\x80",
		"\xf1\x80\x80\x41",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
		"\xfe",
	};
	for (size_t i = 0; i < countof(lines); i++) {
		char line[16], want[100];
		snprintf(line, sizeof line, "ab\xc3\xa4%s", lines[i]);
		snprintf(want, sizeof want,
			 "93 cmdline-not-utf8: byte 0x%x at 4 of the command line is not UTF-8",
			 (uint8_t)lines[i][0]);
		test_case("line %zu", i);
		CHECK_REFUSED(options_of(line), CMDLINE_NOT_UTF8, want);
	}
}

static void every_cut_and_every_byte_is_safe(void)
{
	static const char line[] = "l 'a' loader.log=debug \"b\\c\" \xf0\x90\x80\x80 -- loader.x=";
	for (size_t n = 0; n < sizeof line; n++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			char copy[sizeof line], out[sizeof line];
			memcpy(copy, line, n);
			if (n > 0)
				copy[n - 1] = (char)byte;
			(void)!read_line(copy, n);
			uint8_t *exact = exact_copy(copy, n);
			CHECK(cmdline_strip((struct span){ exact, n }, out) <= n);
			free(exact);
		}
	}
}

#define T(name) { #name, name }
SUITE(cmdline, T(a_line_without_loader_options_is_unchanged), T(every_option),
      T(words_after_the_dashes_are_the_applications), T(loader_options_are_removed),
      T(words_with_quotes), T(unknown_keys_are_refused), T(unknown_values_are_refused),
      T(the_longest_line), T(good_utf8), T(bad_utf8), T(every_cut_and_every_byte_is_safe));
