// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Parses the boot command line without copying or changing it. Words are recognised as kernels do,
// which split the line like a shell, but keep their quotes.
#include "core/cmdline.h"

#include "core/notes.h"
#include "core/text.h"

// The first comparison decides for most bytes.
static bool is_blank(uint8_t c)
{
	return c <= ' ' && (c == ' ' || c == '\t' || c == '\n');
}

static bool span_equals(struct span s, const char *text, size_t n)
{
	return s.n == n && memcmp(s.p, text, n) == 0;
}

#define IS(span, literal) span_equals(span, literal, sizeof(literal) - 1)

// Returns the offset after the quote that ends the quoted text at `at`. A backslash escapes a byte
// between double quotes, and none between single ones. Without an end the quote is an ordinary
// character: what QEMU appends to such a line must still be found.
static size_t skip_quoted(struct span line, size_t at)
{
	const uint8_t quote = line.p[at];
	for (size_t i = at + 1; i < line.n; i++) {
		if (line.p[i] == quote)
			return i + 1;
		i += line.p[i] == '\\' && quote == '"';
	}
	return at + 1;
}

bool cmdline_word(struct span line, size_t *at, struct span *word)
{
	size_t start = *at;
	while (start < line.n && is_blank(line.p[start]))
		start++;
	size_t end = start;
	while (end < line.n) {
		const uint8_t c = line.p[end];
		// The first comparisons decide for most bytes.
		if (c > '\'' && c != '\\')
			end++;
		else if (c == '\'' || c == '"')
			end = skip_quoted(line, end);
		else if (is_blank(c))
			break;
		else
			end += c == '\\' && end + 1 < line.n ? 2 : 1;
	}
	*word = (struct span){ line.p + start, end - start };
	*at = end;
	return word->n != 0;
}

// As cmdline_word(), but also returns false at `--`: what follows belongs to the application.
static bool next_word(struct span line, size_t *at, struct span *word)
{
	return cmdline_word(line, at, word) && !IS(*word, "--");
}

// Splits loader.KEY=VALUE. A word without `=` is not an option: QEMU passes the loader's file name
// as the first word, and that may be "loader.elf".
static bool split_option(struct span word, struct span *key, struct span *value)
{
	static const char prefix[] = "loader.";
	const size_t skip = sizeof prefix - 1;
	// The first letter saves most calls of memcmp().
	if (word.n <= skip || word.p[0] != 'l' || memcmp(word.p, prefix, skip) != 0)
		return false;
	for (size_t i = skip; i < word.n; i++) {
		if (word.p[i] == '=') {
			*key = (struct span){ word.p + skip, i - skip };
			*value = (struct span){ word.p + i + 1, word.n - i - 1 };
			return true;
		}
	}
	return false;
}

static bool parse_log_level(struct span value, struct loader_options *out)
{
	static const char words[LOG_LEVELS][6] = { "error", "warn", "info", "debug", "trace" };
	for (unsigned i = 0; i < LOG_LEVELS; i++)
		if (span_is(value, words[i])) {
			out->log = (enum log_level)i;
			return true;
		}
	return false;
}

static bool parse_log_style(struct span value, struct loader_options *out)
{
	out->plain = IS(value, "plain");
	return out->plain || IS(value, "level");
}

static bool parse_on_error(struct span value, struct loader_options *out)
{
	if (!IS(value, "stop") && !IS(value, "return"))
		return false;
	out->on_error = IS(value, "stop") ? ON_ERROR_STOP : ON_ERROR_RETURN;
	return true;
}

// h0, or eN for entry version N. era_identify() refuses versions without a row.
static bool parse_era(struct span value, struct loader_options *out)
{
	if (IS(value, "h0"))
		out->entry_version = ENTRY_VERSION_H0;
	else if (value.n == 2 && value.p[0] == 'e' && value.p[1] >= '1' && value.p[1] <= '9')
		out->entry_version = value.p[1] - '0';
	else
		return false;
	return true;
}

static enum status parse_option(struct span key, struct span value, struct loader_options *out)
{
	bool good;
	if (IS(key, "log")) {
		good = parse_log_level(value, out);
	} else if (IS(key, "log-style")) {
		good = parse_log_style(value, out);
	} else if (IS(key, "onerror")) {
		good = parse_on_error(value, out);
	} else if (IS(key, "era")) {
		good = parse_era(value, out);
	} else if (IS(key, "selftest")) {
		out->selftest = value;
		good = true;
	} else {
		return refuse(STATUS_OPTION_UNKNOWN,
			      "loader.%.*s= is unknown; known are log, log-style, onerror, era",
			      (int)key.n, (const char *)key.p);
	}
	if (!good)
		return refuse(STATUS_OPTION_VALUE, "loader.%.*s= does not know \"%.*s\"",
			      (int)key.n, (const char *)key.p, (int)value.n, (const char *)value.p);
	return STATUS_OK;
}

// Returns the length of the multi-byte UTF-8 sequence at the start of `s`, or 0 if it is malformed.
// RFC 3629 section 4 excludes overlong forms, surrogates and code points above U+10FFFF. So after
// some first bytes the second one has a smaller range.
static size_t utf8_length(struct span s)
{
	uint8_t c = s.p[0], low = 0x80, high = 0xbf;
	size_t n;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (s.n < n || s.p[1] < low || s.p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

size_t utf8_prefix(struct span text)
{
	size_t at = 0;
	while (at < text.n) {
		size_t n = text.p[at] < 0x80
				   ? 1
				   : utf8_length((struct span){ text.p + at, text.n - at });
		if (n == 0)
			break;
		at += n;
	}
	return at;
}

static enum status check_utf8(struct span line)
{
	size_t at = utf8_prefix(line);
	if (at < line.n)
		return refuse(STATUS_CMDLINE_NOT_UTF8,
			      "byte %#x at %lu of the command line is not UTF-8", line.p[at], at);
	return STATUS_OK;
}

// Checks UTF-8 last, so that a wrong option is reported even in a line that is not UTF-8.
enum status cmdline_options(struct span line, struct loader_options *out)
{
	struct span word, key, value;
	size_t at = 0;
	if (line.n > CMDLINE_MAX)
		return refuse(STATUS_CMDLINE_TOO_LONG, "the command line has more than %lu bytes",
			      CMDLINE_MAX);
	while (next_word(line, &at, &word))
		if (split_option(word, &key, &value))
			TRY(parse_option(key, value, out));
	return check_utf8(line);
}

size_t cmdline_strip(struct span line, char *out)
{
	struct span word, key, value;
	size_t at = 0, copied = 0, n = 0;
	// line.p may be NULL, which memcpy() must not get (C11 7.24.1p2).
	if (line.n == 0)
		return 0;
	while (next_word(line, &at, &word)) {
		if (!split_option(word, &key, &value))
			continue;
		// The blank before the option is removed as well.
		size_t start = (size_t)(word.p - line.p);
		if (start > copied && is_blank(line.p[start - 1]))
			start--;
		memcpy(out + n, line.p + copied, start - copied);
		n += start - copied;
		copied = at;
	}
	memcpy(out + n, line.p + copied, line.n - copied);
	return n + line.n - copied;
}

static bool begins_with(struct span word, const char *text, size_t n)
{
	return word.n >= n && memcmp(word.p, text, n) == 0;
}

// Kernels' arguments begin with `-`, or with a name and `=`. A path may have a `=`, but then a
// slash is before it.
static bool looks_like_argument(struct span word)
{
	size_t i = 0;
	while (i < word.n && word.p[i] != '=' && word.p[i] != '/')
		i++;
	return word.p[0] == '-' || (i < word.n && word.p[i] == '=');
}

size_t cmdline_path(struct span line, bool path_first, bool *user_words)
{
	static const char device[] = "virtio_mmio.device=";
	struct span word, key, value;
	size_t at = 0, path = 0;
	*user_words = false;
	while (next_word(line, &at, &word)) {
		const bool first = word.p == line.p;
		if (first && path_first && !looks_like_argument(word)) {
			path = at;
		} else if (IS(word, "-freq")) {
			if (!next_word(line, &at, &word))
				break;
		} else if (!split_option(word, &key, &value) &&
			   !begins_with(word, device, sizeof device - 1)) {
			*user_words = true;
		}
	}
	// At the end of the line `word` is empty. Otherwise it is the `--`, and the application
	// arguments after it are words of the user.
	*user_words |= word.n != 0;
	return path;
}
