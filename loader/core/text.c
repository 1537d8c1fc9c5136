// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A small printf. It never fails and never writes past the buffer.
#include "core/text.h"

struct out {
	char *p;
	char *end;
};

static void put(struct out *out, const char *text, size_t n)
{
	size_t room = (size_t)(out->end - out->p);
	if (n > room)
		n = room;
	memcpy(out->p, text, n);
	out->p += n;
}

static void put_number(struct out *out, uint64_t value, unsigned base)
{
	// 2^64 has twenty decimal digits.
	char digits[20];
	char *p = digits + sizeof digits;
	do {
		*--p = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	put(out, p, (size_t)(digits + sizeof digits - p));
}

// `limit` is the precision of %.*s: the text may lack a NUL. Negative: none.
static size_t length_of(const char *text, int limit)
{
	size_t n = 0;
	while ((limit < 0 || n < (size_t)limit) && text[n] != '\0')
		n++;
	return n;
}

// Writes one conversion; `p` is after its '%'. Returns the address after the conversion.
static const char *convert(struct out *out, const char *p, va_list *args)
{
	const char *start = p;
	int limit = -1;
	bool prefix, wide;
	if (p[0] == '.' && p[1] == '*') {
		limit = va_arg(*args, int);
		p += 2;
	}
	prefix = *p == '#';
	p += prefix;
	wide = *p == 'l';
	p += wide;
	switch (*p) {
	case 's': {
		const char *text = va_arg(*args, const char *);
		put(out, text, length_of(text, limit));
		return p + 1;
	}
	case 'c': {
		char c = (char)va_arg(*args, int);
		put(out, &c, 1);
		return p + 1;
	}
	case 'u':
	case 'x':
		if (prefix)
			put(out, "0x", 2);
		put_number(out, wide ? va_arg(*args, unsigned long) : va_arg(*args, unsigned),
			   *p == 'x' ? 16 : 10);
		return p + 1;
	case '%':
		put(out, "%", 1);
		return p + 1;
	default:
		// Print the '%' and continue after it: an unknown conversion appears verbatim.
		put(out, start - 1, 1);
		return start;
	}
}

size_t fmt_va(char *buffer, size_t size, const char *format, va_list args)
{
	struct out out = { buffer, buffer + size };
	// va_list may be an array type, so the address of the parameter has the wrong type.
	va_list copy;
	va_copy(copy, args);
	const char *start = format;
	for (;;) {
		char c = *format;
		if (c != '\0' && c != '%') {
			format++;
			continue;
		}
		put(&out, start, (size_t)(format - start));
		if (c == '\0')
			break;
		start = format = convert(&out, format + 1, &copy);
	}
	va_end(copy);
	return (size_t)(out.p - buffer);
}

size_t fmt(char *out, size_t size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	size_t n = fmt_va(out, size, format, args);
	va_end(args);
	return n;
}
