// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// hermit.toml, in TOML 1.0. One statement per line: `[TABLE]` or `KEY = VALUE`.
#include "core/image_config.h"

#include "core/cmdline.h"
#include "core/log.h"
#include "core/text.h"

enum { KEY_MAX = 64 };

enum kind { STRING, ARRAY, SCALAR };

struct reader {
	struct span text;
	size_t at;
	unsigned line;
	// The current line's key, as TABLE.KEY. It is `lost` if it does not fit, and is then no key
	// of the format.
	uint8_t key_buffer[KEY_MAX];
	struct text_out key;
	// The first bytes of `key_buffer` are the name of the current table and a dot.
	size_t table_size;
	// The table's name did not fit, so no key of this table is one of the format.
	bool table_lost;
};

static enum status wrong(const struct reader *r, const char *what)
{
	return refuse(STATUS_CONFIG_SYNTAX, "hermit.toml, line %u: %s", r->line, what);
}

// The next byte, NUL at the end: the text has none.
static uint8_t peek(const struct reader *r)
{
	return r->at < r->text.n ? r->text.p[r->at] : '\0';
}

static void skip_blanks(struct reader *r)
{
	while (peek(r) == ' ' || peek(r) == '\t')
		r->at++;
}

static void skip_comment(struct reader *r)
{
	skip_blanks(r);
	if (peek(r) == '#')
		while (r->at < r->text.n && peek(r) != '\n')
			r->at++;
	if (peek(r) == '\r')
		r->at++;
}

static void skip_lines(struct reader *r)
{
	for (skip_comment(r); peek(r) == '\n'; skip_comment(r)) {
		r->at++;
		r->line++;
	}
}

static bool is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c == '-';
}

// Appends a bare key, of which dots separate the parts, to r->key, which may have the name of the
// current table already.
static enum status read_key(struct reader *r)
{
	const size_t start = r->at;
	while (is_word(peek(r)) || (peek(r) == '.' && r->at > start))
		r->at++;
	text_put(&r->key, r->text.p + start, r->at - start);
	skip_blanks(r);
	return r->at > start ? STATUS_OK : wrong(r, "expected a key of letters, digits, _ and -");
}

static int hex_value(uint8_t c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

// Reads the escape sequence at the start of `s`, without its backslash. Returns its size, 0 if it
// is none. NUL and surrogates are none, since the command line cannot have them.
static size_t read_escape(struct span s, uint32_t *value)
{
	static const char letters[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
	if (s.n == 0)
		return 0;
	for (size_t i = 0; i < sizeof letters - 1; i++)
		if (s.p[0] == letters[i]) {
			*value = (uint8_t)meanings[i];
			return 1;
		}
	const size_t digits = s.p[0] == 'u' ? 4 : s.p[0] == 'U' ? 8 : 0;
	if (digits == 0 || s.n <= digits)
		return 0;
	*value = 0;
	for (size_t i = 1; i <= digits; i++) {
		const int digit = hex_value(s.p[i]);
		if (digit < 0)
			return 0;
		*value = *value << 4 | (uint32_t)digit;
	}
	const bool bad = *value == 0 || *value > 0x10ffff || (*value >= 0xd800 && *value < 0xe000);
	return bad ? 0 : 1 + digits;
}

static enum status skip_string(struct reader *r)
{
	const uint8_t quote = peek(r);
	uint32_t value;
	r->at++;
	if (r->text.n - r->at >= 2 && r->text.p[r->at] == quote && r->text.p[r->at + 1] == quote)
		return wrong(r, "strings of several lines are not supported");
	for (; peek(r) != quote; r->at++) {
		if (peek(r) == '\0' || peek(r) == '\n')
			return wrong(r, "the string does not end in this line");
		if (peek(r) != '\\' || quote == '\'')
			continue;
		const size_t n = read_escape(
			(struct span){ r->text.p + r->at + 1, r->text.n - r->at - 1 }, &value);
		if (n == 0)
			return wrong(r, "the string has an escape sequence that is not allowed");
		r->at += n;
	}
	r->at++;
	return STATUS_OK;
}

// A number, a truth value or a date.
static enum status skip_scalar(struct reader *r)
{
	const size_t start = r->at;
	while (is_word(peek(r)) || peek(r) == '+' || peek(r) == '.' || peek(r) == ':')
		r->at++;
	if (r->at > start)
		return STATUS_OK;
	return wrong(r, peek(r) == '{'   ? "inline tables are not supported"
			: peek(r) == '[' ? "arrays in arrays are not supported"
					 : "expected a string, a number or an array");
}

static enum status skip_element(struct reader *r, enum kind *kind)
{
	*kind = peek(r) == '"' || peek(r) == '\'' ? STRING : SCALAR;
	return *kind == STRING ? skip_string(r) : skip_scalar(r);
}

static enum status skip_array(struct reader *r, bool *strings)
{
	*strings = true;
	r->at++;
	for (skip_lines(r); peek(r) != ']'; skip_lines(r)) {
		enum kind kind;
		TRY(skip_element(r, &kind));
		*strings &= kind == STRING;
		skip_lines(r);
		if (peek(r) == ',')
			r->at++;
		else if (peek(r) != ']')
			return wrong(r, "expected , or ] after an element of an array");
	}
	r->at++;
	return STATUS_OK;
}

struct value {
	enum kind kind;
	// ARRAY: all its elements are strings.
	bool strings;
	struct span written;
};

static enum status read_value(struct reader *r, struct value *out)
{
	const size_t start = r->at;
	out->kind = ARRAY;
	out->strings = false;
	if (peek(r) == '[')
		TRY(skip_array(r, &out->strings));
	else
		TRY(skip_element(r, &out->kind));
	out->written = (struct span){ r->text.p + start, r->at - start };
	return STATUS_OK;
}

void text_put(struct text_out *out, const void *bytes, size_t n)
{
	out->lost |= n > out->size - out->n;
	if (out->lost || n == 0)
		return;
	memcpy(out->p + out->n, bytes, n);
	out->n += n;
}

// RFC 3629 section 3.
static void put_utf8(struct text_out *out, uint32_t value)
{
	static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	uint8_t bytes[4];
	const size_t n = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, value >>= 6)
		bytes[i] = (uint8_t)(0x80 | (value & 0x3f));
	bytes[0] = (uint8_t)(lead[n] | value);
	text_put(out, bytes, n);
}

bool image_config_string(struct span *written, struct text_out *out)
{
	// To the next string: brackets, commas, blanks and comments are between.
	struct reader r = { .text = *written };
	while (peek(&r) == '[' || peek(&r) == ']' || peek(&r) == ',' || peek(&r) == '#' ||
	       peek(&r) == ' ' || (peek(&r) >= '\t' && peek(&r) <= '\r')) {
		if (peek(&r) == '#')
			skip_comment(&r);
		else
			r.at++;
	}
	const uint8_t quote = peek(&r);
	if (quote == '\0')
		return false;
	for (r.at++; peek(&r) != quote; r.at++) {
		uint32_t value;
		const uint8_t c = peek(&r);
		if (c != '\\' || quote == '\'') {
			text_put(out, &c, 1);
			continue;
		}
		r.at += read_escape((struct span){ r.text.p + r.at + 1, r.text.n - r.at - 1 },
				    &value);
		put_utf8(out, value);
	}
	r.at++;
	*written = (struct span){ r.text.p + r.at, r.text.n - r.at };
	return true;
}

// Digits and underscores; the positions of the underscores are not checked. Returns how many bytes
// they are, 0 if there is no number below 2^53.
static size_t read_number(struct span s, uint64_t *out)
{
	size_t at = 0;
	uint64_t value = 0;
	for (; at < s.n && ((s.p[at] >= '0' && s.p[at] <= '9') || (at > 0 && s.p[at] == '_'));
	     at++) {
		if (s.p[at] != '_')
			value = value * 10 + (uint64_t)(s.p[at] - '0');
		if (value >> 53 != 0)
			return 0;
	}
	*out = value;
	return at;
}

// A number of bytes. A string may add a unit: K, M, G, T, P or E for powers of 1000, Ki and so on
// for powers of 1024, in either case, optionally followed by B.
static bool read_size(struct value value, uint64_t *out)
{
	struct span s = value.written;
	uint64_t unit = 1;
	if (value.kind == STRING)
		s = (struct span){ s.p + 1, s.n - 2 };
	size_t at = read_number(s, out);
	if (at == 0)
		return false;
	if (value.kind == SCALAR)
		return at == s.n;
	while (at < s.n && s.p[at] == ' ')
		at++;
	static const char letters[] = "kmgtpe";
	for (unsigned i = 0; at < s.n && i < sizeof letters - 1; i++) {
		if ((s.p[at] | 0x20) != letters[i])
			continue;
		const bool binary = ++at < s.n && (s.p[at] | 0x20) == 'i';
		at += binary;
		for (unsigned k = 0; k <= i; k++)
			unit *= binary ? 1024 : 1000;
		break;
	}
	if (at < s.n && (s.p[at] | 0x20) == 'b')
		at++;
	return at == s.n && !__builtin_mul_overflow(*out, unit, out);
}

static enum status wants(const struct reader *r, const char *what)
{
	return refuse(STATUS_CONFIG_VALUE, "hermit.toml, line %u: %.*s must be %s", r->line,
		      (int)r->key.n, (const char *)r->key.p, what);
}

static enum status check_version(const struct reader *r, struct value value)
{
	if (value.kind != STRING)
		return wants(r, "a string");
	if (value.written.n == 3 && value.written.p[1] == '1')
		return STATUS_OK;
	return refuse(STATUS_IMAGE_UNSUPPORTED,
		      "the image's hermit.toml has version %.*s, this loader knows \"1\"",
		      (int)value.written.n, (const char *)value.written.p);
}

// In kernel_args, `--` would make application arguments of the words after it.
static bool has_dashes(struct span array)
{
	uint8_t bytes[2];
	for (;;) {
		struct text_out word = { .p = bytes, .size = sizeof bytes };
		if (!image_config_string(&array, &word))
			return false;
		if (!word.lost && span_is((struct span){ word.p, word.n }, "--"))
			return true;
	}
}

// The keys of the format. Those from VERSION to APP_ARGS are required.
enum key { VERSION, KERNEL, KERNEL_ARGS, APP_ARGS, ENV_VARS, MEMORY, CPUS, KEYS };
static const char names[KEYS][20] = { "version",          "kernel",         "input.kernel_args",
				      "input.app_args",   "input.env_vars", "requirements.memory",
				      "requirements.cpus" };

static enum status store(const struct reader *r, enum key key, struct value value,
			 struct image_config *out)
{
	struct span *const arrays[KEYS] = { [KERNEL_ARGS] = &out->kernel_args,
					    [APP_ARGS] = &out->app_args,
					    [ENV_VARS] = &out->env_vars };
	if (key == VERSION)
		return check_version(r, value);
	if (key == KERNEL) {
		out->kernel = value.written;
		return value.kind == STRING ? STATUS_OK : wants(r, "a string");
	}
	if (key == MEMORY)
		return read_size(value, &out->memory)
			       ? STATUS_OK
			       : wants(r, "a size such as 67108864 or \"64 MiB\"");
	if (key == CPUS)
		return value.kind == SCALAR &&
				       read_number(value.written, &out->cpus) == value.written.n
			       ? STATUS_OK
			       : wants(r, "a number");
	*arrays[key] = value.written;
	if (!value.strings)
		return wants(r, "an array of strings");
	return key == KERNEL_ARGS && has_dashes(value.written) ? wants(r, "without --") : STATUS_OK;
}

// A key that is in `seen` occurs a second time, which TOML forbids.
static enum status read_pair(struct reader *r, struct image_config *out, unsigned *seen)
{
	struct value value;
	TRY(read_key(r));
	if (peek(r) != '=')
		return wrong(r, "expected = after the key");
	r->at++;
	skip_blanks(r);
	TRY(read_value(r, &value));
	for (unsigned key = 0; key < KEYS && !r->key.lost; key++) {
		if (!span_is((struct span){ r->key.p, r->key.n }, names[key]))
			continue;
		if ((*seen >> key & 1) != 0)
			return wrong(r, "the key occurs a second time");
		*seen |= 1U << key;
		TRY(store(r, (enum key)key, value, out));
	}
	return STATUS_OK;
}

static enum status read_table(struct reader *r)
{
	r->at++;
	skip_blanks(r);
	r->key = (struct text_out){ .p = r->key_buffer, .size = KEY_MAX };
	if (peek(r) == '[')
		return wrong(r, "arrays of tables are not supported");
	TRY(read_key(r));
	if (peek(r) != ']')
		return wrong(r, "expected ] after the name of a table");
	r->at++;
	text_put(&r->key, ".", 1);
	r->table_size = r->key.n;
	r->table_lost = r->key.lost;
	return STATUS_OK;
}

static enum status check_complete(unsigned seen)
{
	for (unsigned key = VERSION; key <= APP_ARGS; key++)
		if ((seen >> key & 1) == 0)
			return refuse(STATUS_CONFIG_VALUE, "hermit.toml has no %s", names[key]);
	return STATUS_OK;
}

// TOML has no control characters but tab, LF and CR LF. Refusals print parts of the file: others
// could forge lines of the console.
static enum status check_characters(struct reader *r)
{
	for (size_t i = 0; i < r->text.n; i++) {
		const uint8_t c = r->text.p[i];
		const bool ends_line = c == '\r' && i + 1 < r->text.n && r->text.p[i + 1] == '\n';
		if (c == 0x7f || (c < ' ' && c != '\t' && c != '\n' && !ends_line))
			return wrong(r, "the file contains a control character");
		r->line += c == '\n';
	}
	r->line = 1;
	return STATUS_OK;
}

enum status image_config_read(struct span text, struct image_config *out)
{
	struct reader r = { .text = text, .line = 1 };
	unsigned seen = 0;
	*out = (struct image_config){ 0 };
	TRY(check_characters(&r));
	if (utf8_prefix(text) != text.n)
		return wrong(&r, "the file is not UTF-8");
	for (skip_lines(&r); r.at < text.n; skip_lines(&r)) {
		if (peek(&r) == '[') {
			TRY(read_table(&r));
		} else {
			r.key = (struct text_out){ .p = r.key_buffer,
						   .n = r.table_size,
						   .size = KEY_MAX,
						   .lost = r.table_lost };
			TRY(read_pair(&r, out, &seen));
		}
		skip_comment(&r);
		if (r.at < text.n && peek(&r) != '\n')
			return wrong(&r, "expected the end of the line");
	}
	return check_complete(seen);
}
