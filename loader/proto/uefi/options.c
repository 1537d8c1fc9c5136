// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Load options: UCS-2 from the firmware, UTF-8 for the kernel.
#include "proto/uefi/options.h"

#include "core/cmdline.h"

static const char initrd_word[] = "initrd=";
enum { INITRD_WORD = sizeof initrd_word - 1 };

struct text {
	const uint8_t *p;
	size_t n; // characters
};

static uint16_t at(struct text t, size_t i)
{
	return load_u16(t.p + 2 * i, ORDER_LITTLE);
}

static struct text part(struct text t, size_t start, size_t end)
{
	return (struct text){ t.p + 2 * start, end - start };
}

// UTF-16 surrogates: UCS-2 has none, but firmware and shells pass them.
static bool is_high(uint16_t c)
{
	return c >= 0xd800 && c < 0xdc00;
}

static bool is_low(uint16_t c)
{
	return c >= 0xdc00 && c < 0xe000;
}

// Some boot managers store binary data in the load options.
static bool is_text(struct text t)
{
	for (size_t i = 0; i < t.n; i++) {
		uint16_t c = at(t, i);
		if ((c < ' ' && c != '\t') || c == 0x7f || is_low(c))
			return false;
		if (is_high(c) && (++i == t.n || !is_low(at(t, i))))
			return false;
	}
	return true;
}

static bool begins_with_initrd(struct text t)
{
	for (size_t i = 0; i < INITRD_WORD; i++)
		if (i == t.n || at(t, i) != (uint8_t)initrd_word[i])
			return false;
	return true;
}

// Removes the first word and one blank after it. The shell quotes names that contain blanks.
static struct text without_program(struct text t)
{
	size_t i = 0;
	bool quoted = false;
	while (i < t.n && at(t, i) == ' ')
		i++;
	for (; i < t.n && (quoted || at(t, i) != ' '); i++)
		quoted ^= at(t, i) == '"';
	return part(t, i < t.n ? i + 1 : i, t.n);
}

// Removes initrd=PATH and one blank next to it. The rest stays as it was typed.
static bool take_initrd(struct text *t, struct text *path)
{
	size_t start = t->n, end = 0;
	while (end < t->n && at(*t, end) != ' ')
		end++;
	// The first word, then the last one.
	if (begins_with_initrd(*t)) {
		*path = part(*t, INITRD_WORD, end);
		*t = part(*t, end < t->n ? end + 1 : end, t->n);
		return true;
	}
	while (start > 0 && at(*t, start - 1) != ' ')
		start--;
	if (start == 0 || !begins_with_initrd(part(*t, start, t->n)))
		return false;
	*path = part(*t, start + INITRD_WORD, t->n);
	*t = part(*t, 0, start - 1);
	return true;
}

// UEFI file paths use backslashes (13.5); both kinds of slash are accepted.
static bool copy_path(struct text path, uint16_t out[INITRD_MAX])
{
	if (path.n >= INITRD_MAX)
		return false;
	for (size_t i = 0; i < path.n; i++)
		out[i] = at(path, i) == '/' ? '\\' : at(path, i);
	out[path.n] = 0;
	return true;
}

// RFC 3629, section 3. Unpaired surrogates have been rejected. Returns the number of bytes.
static size_t write_utf8(struct text t, char *out)
{
	size_t n = 0;
	for (size_t i = 0; i < t.n; i++) {
		uint32_t c = at(t, i);
		if (is_high((uint16_t)c))
			c = 0x10000 + ((c - 0xd800) << 10) + (at(t, ++i) - 0xdc00U);
		if (c < 0x80) {
			out[n++] = (char)c;
			continue;
		}
		if (c < 0x800) {
			out[n++] = (char)(0xc0 | c >> 6);
		} else if (c < 0x10000) {
			out[n++] = (char)(0xe0 | c >> 12);
			out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		} else {
			out[n++] = (char)(0xf0 | c >> 18);
			out[n++] = (char)(0x80 | (c >> 12 & 0x3f));
			out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		}
		out[n++] = (char)(0x80 | (c & 0x3f));
	}
	return n;
}

// EDK II makes one UCS-2 character of each byte that QEMU's -append passes. If these bytes are
// valid UTF-8, the text was UTF-8: Latin-1 text is practically never valid UTF-8.
static bool copy_bytes(struct text t, char *out)
{
	for (size_t i = 0; i < t.n; i++) {
		if (at(t, i) > 0xff)
			return false;
		out[i] = (char)at(t, i);
	}
	return utf8_prefix((struct span){ (const uint8_t *)out, t.n }) == t.n;
}

size_t options_bound(uint32_t size)
{
	// A UCS-2 character has at most three bytes in UTF-8, a pair of surrogates four.
	return (size_t)size / 2 * 3;
}

bool options_read(const uint8_t *options, uint32_t size, bool program, char *out,
		  struct load_options *found)
{
	struct text t = { options, 0 }, path;
	*found = (struct load_options){ 0 };
	while (t.n < size / 2 && at(t, t.n) != 0)
		t.n++;
	// Binary data of a boot manager are no options.
	if (size % 2 != 0 || !is_text(t))
		return true;
	if (program)
		t = without_program(t);
	found->has_initrd = take_initrd(&t, &path);
	if (found->has_initrd && !copy_path(path, found->initrd))
		return false;
	for (size_t i = 0; i < t.n; i++)
		found->text |= at(t, i) != ' ' && at(t, i) != '\t';
	if (found->text)
		found->size = copy_bytes(t, out) ? t.n : write_utf8(t, out);
	return true;
}
