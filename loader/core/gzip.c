// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// gzip files (RFC 1952, section 2.3): header, compressed data, CRC-32 and size.
#include "core/gzip.h"

#include "core/inflate.h"
#include "core/log.h"

enum {
	HEADER_SIZE = 10,
	FLAGS_AT = 3,
	HAS_HEADER_CRC = 2,
	HAS_EXTRA = 4,
	HAS_NAME = 8,
	HAS_COMMENT = 16,
	RESERVED = 0xe0,
	TRAILER_SIZE = 8,
};

static const uint8_t magic[3] = { 0x1f, 0x8b, 8 };

bool gzip_recognise(struct span file)
{
	return file.n >= sizeof magic && memcmp(file.p, magic, sizeof magic) == 0;
}

static enum status truncated(struct span file)
{
	return refuse(STATUS_GZIP_TRUNCATED,
		      "the gzip file does not end within its %lu bytes: copy it again", file.n);
}

static enum status malformed(const char *what)
{
	return refuse(STATUS_GZIP_MALFORMED, "the gzip file is damaged: %s", what);
}

// Skips a text with its NUL. False: it has no end.
static must_check bool skip_text(struct span file, size_t *at)
{
	while (*at < file.n && file.p[*at] != '\0')
		++*at;
	return (*at)++ < file.n;
}

static enum status skip_header(struct span file, size_t *at)
{
	if (file.n < HEADER_SIZE)
		return truncated(file);
	const uint8_t flags = file.p[FLAGS_AT];
	*at = HEADER_SIZE;
	if ((flags & RESERVED) != 0)
		return malformed("it sets reserved flags");
	if ((flags & HAS_EXTRA) != 0) {
		if (file.n - *at < 2)
			return truncated(file);
		*at += (size_t)2 + load_u16(file.p + *at, ORDER_LITTLE);
	}
	if (((flags & HAS_NAME) != 0 && !skip_text(file, at)) ||
	    ((flags & HAS_COMMENT) != 0 && !skip_text(file, at)))
		return truncated(file);
	*at += (flags & HAS_HEADER_CRC) != 0 ? 2 : 0;
	return *at <= file.n ? STATUS_OK : truncated(file);
}

enum status gzip_measure(struct span file, struct gzip *out)
{
	struct inflated found;
	size_t at = 0;
	struct span trailer;
	TRY(skip_header(file, &at));
	out->data = (struct span){ file.p + at, file.n - at };
	const enum inflate_end end = inflate(out->data, NULL, UINT64_MAX, &found);
	if (end == INFLATE_TRUNCATED ||
	    (end == INFLATE_DONE && !span_sub(out->data, found.used, TRAILER_SIZE, &trailer)))
		return truncated(file);
	if (end != INFLATE_DONE)
		return malformed("its data violates the DEFLATE format");
	out->unpacked_size = found.size;
	out->member_size = at + found.used + TRAILER_SIZE;
	out->crc = load_u32(trailer.p, ORDER_LITTLE);
	// The size modulo 2^32 (2.3.1).
	if (load_u32(trailer.p + 4, ORDER_LITTLE) != (uint32_t)found.size)
		return malformed("it does not have the size that it states");
	return STATUS_OK;
}

// RFC 1952, section 8. table[i] is the CRC remainder of the byte i; the polynomial's bits are
// reversed.
static uint32_t crc32(const uint8_t *p, uint64_t n)
{
	static uint32_t table[256]; // too large for the stack
	for (uint32_t i = 0; i < countof(table); i++) {
		uint32_t value = i;
		for (unsigned bit = 0; bit < 8; bit++)
			value = value >> 1 ^ ((value & 1) != 0 ? 0xedb88320 : 0);
		table[i] = value;
	}
	uint32_t crc = 0xffffffff;
	for (const uint8_t *end = p + n; p != end; p++)
		crc = crc >> 8 ^ table[(crc ^ *p) & 0xff];
	return crc ^ 0xffffffff;
}

enum status gzip_unpack(const struct gzip *gzip, uint8_t *to)
{
	struct inflated found;
	if (inflate(gzip->data, to, gzip->unpacked_size, &found) != INFLATE_DONE)
		return malformed("it has changed while it was read");
	const uint32_t crc = crc32(to, gzip->unpacked_size);
	if (crc != gzip->crc)
		return refuse(STATUS_GZIP_CHECKSUM,
			      "the gzip file is damaged: the checksum of its contents is %#x, it "
			      "states %#x",
			      crc, gzip->crc);
	return STATUS_OK;
}
