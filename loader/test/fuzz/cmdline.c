// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A command line: options, UTF-8, and what is left for the application.
#include "test/fuzz/fuzz.h"

// A second reading for lines without quotes and backslashes, where words are what blanks separate:
// the line without its options.
static size_t stripped(const uint8_t *p, size_t n, uint8_t *out)
{
	size_t used = 0;
	bool ours = true;
	for (size_t at = 0; at < n;) {
		size_t start = at, end;
		while (start < n && strchr(" \t\n", p[start]) != NULL && p[start] != '\0')
			start++;
		for (end = start; end < n; end++)
			if (p[end] != '\0' && strchr(" \t\n", p[end]) != NULL)
				break;
		ours = ours && !(end - start == 2 && memcmp(p + start, "--", 2) == 0);
		const bool option = ours && end - start > 7 &&
				    memcmp(p + start, "loader.", 7) == 0 &&
				    memchr(p + start, '=', end - start) != NULL;
		// Of the blanks before an option, all but one stay.
		const size_t keep = option ? (start > at ? start - 1 : start) : end;
		memcpy(out + used, p + at, keep - at);
		used += keep - at;
		at = end;
	}
	return used;
}

static bool is_plain(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] == '\'' || p[i] == '"' || p[i] == '\\')
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct loader_options options = { 0 };
	static const uint8_t empty[1];
	bool user_words;
	struct span line = { n != 0 ? data : empty, n };
	console_open();
	char *out = malloc(n);
	uint8_t *want = malloc(n + 1);
	FUZZ_CHECK(cmdline_path(line, true, &user_words) <= n);
	const size_t got = cmdline_strip(line, out);
	FUZZ_CHECK(got <= n);
	if (is_plain(line.p, n))
		FUZZ_CHECK(got == stripped(line.p, n, want) && memcmp(out, want, got) == 0);
	if (cmdline_options(line, &options) == STATUS_OK)
		FUZZ_CHECK(utf8_prefix(line) == n);
	free(want);
	free(out);
	return 0;
}
