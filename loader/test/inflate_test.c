// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/inflate.h"

#include <string.h>

#include "core/gzip.h"
#include "test/archive_builder.h"
#include "test/fake.h"
#include "test/test.h"

static uint8_t out[1 << 17];

// Decompresses in allocations of just the right size, measured before.
static enum inflate_end run(const struct bytes *deflated, struct inflated *found)
{
	uint8_t *in = exact_copy(deflated->p, deflated->n);
	const struct span span = { in, deflated->n };
	enum inflate_end end = inflate(span, NULL, UINT64_MAX, found);
	if (end == INFLATE_DONE && found->size <= sizeof out) {
		struct inflated second;
		uint8_t *exact = malloc(found->size + 1);
		CHECK_EQ(inflate(span, exact, found->size, &second), INFLATE_DONE);
		CHECK_EQ(second.size, found->size);
		CHECK_EQ(second.used, found->used);
		memcpy(out, exact, found->size);
		if (found->size != 0)
			CHECK_EQ(inflate(span, exact, found->size - 1, &second), INFLATE_NO_ROOM);
		free(exact);
	}
	free(in);
	return end;
}

static void check_ends(struct bytes *deflated, enum inflate_end want)
{
	struct inflated found;
	CHECK_EQ(run(deflated, &found), want);
	bytes_free(deflated);
}

static struct bytes fixed_block(void)
{
	struct bytes d = { 0 };
	bits_add(&d, 1, 1);
	bits_add(&d, 1, 2);
	return d;
}

// The values of RFC 1951, 3.2.5.
static const uint16_t lengths[] = { 3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
				    31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258 };
static const uint16_t distances[] = {
	1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
	193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577
};

static unsigned extra_of(const uint16_t *bases, size_t i, size_t n)
{
	unsigned bits = 0;
	if (i + 1 < n)
		while (bases[i] + (1U << bits) < bases[i + 1])
			bits++;
	return bits;
}

// Every symbol of lengths and distances, with its lowest and highest extra bits.
static void every_length_and_distance(void)
{
	static uint8_t model[sizeof out];
	struct bytes d = fixed_block();
	size_t n = 0;
	uint64_t seed = 1;
	for (; n < 33000; n++) {
		model[n] = (uint8_t)next_random(&seed);
		fixed_add(&d, model[n]);
	}
	for (unsigned i = 0; i < 2 * countof(lengths) * countof(distances); i += 29) {
		const unsigned l = i / 2 % countof(lengths), k = i / 2 / countof(lengths);
		unsigned le = l == 27 ? 5 : extra_of(lengths, l, countof(lengths));
		unsigned de = k >= 28 ? 13 : extra_of(distances, k, countof(distances));
		le = l == 28 ? 0 : le;
		// 227 + 31 would be 258, which is the symbol after it.
		const unsigned lx = i % 2 == 0 ? 0 : (1U << le) - 1 - (l == 27);
		const unsigned dx = i % 2 == 0 ? 0 : (1U << de) - 1;
		fixed_add(&d, 257 + l);
		bits_add(&d, lx, le);
		code_add(&d, k, 5);
		bits_add(&d, dx, de);
		for (unsigned m = 0; m < lengths[l] + lx && n < sizeof model; m++, n++)
			model[n] = model[n - distances[k] - dx];
	}
	fixed_add(&d, 256);
	struct inflated found;
	CHECK_EQ(run(&d, &found), INFLATE_DONE);
	CHECK_EQ(found.size, n);
	CHECK_EQ(found.used, d.n);
	CHECK_BYTES(out, model, n);
	bytes_free(&d);
}

// Code lengths 1 to 15: those above nine bits are not in the table.
static struct bytes long_codes(unsigned last_length)
{
	struct bytes d = { 0 };
	static const uint8_t order[] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
					 11, 4,  12, 3, 13, 2, 14, 1, 15 };
	bits_add(&d, 1, 1);
	bits_add(&d, 2, 2);
	bits_add(&d, 0, 5);
	bits_add(&d, 0, 5);
	bits_add(&d, 15, 4);
	// Symbols 0 to 12 have codes of four bits from 0 on, the others of five from 26 on.
	for (size_t i = 0; i < sizeof order; i++)
		bits_add(&d, order[i] < 13 ? 4 : 5, 3);
	for (unsigned length = 1; length <= 15; length++)
		code_add(&d, length < 13 ? length : 26 + length - 13, length < 13 ? 4 : 5);
	code_add(&d, 26 + 18 - 13, 5); // 241 zeros
	bits_add(&d, 138 - 11, 7);
	code_add(&d, 26 + 18 - 13, 5);
	bits_add(&d, 103 - 11, 7);
	code_add(&d, last_length < 13 ? last_length : 26 + last_length - 13,
		 last_length < 13 ? 4 : 5); // 256
	code_add(&d, 0, 4);                 // no distance
	for (unsigned symbol = 0; symbol < 15; symbol++)
		code_add(&d, symbol < 14 ? (1U << (symbol + 1)) - 2 : 0x7ffe, symbol + 1);
	code_add(&d, 0x7fff, 15);
	return d;
}

static void codes_of_every_length(void)
{
	struct bytes d = long_codes(15);
	struct inflated found;
	CHECK_EQ(run(&d, &found), INFLATE_DONE);
	CHECK_EQ(found.size, 15);
	for (unsigned i = 0; i < 15; i++)
		CHECK_EQ(out[i], i);
	bytes_free(&d);
	// One code too many, and no end of the block.
	d = long_codes(14);
	check_ends(&d, INFLATE_MALFORMED);
	d = long_codes(0);
	check_ends(&d, INFLATE_MALFORMED);
}

static void what_the_format_forbids(void)
{
	struct bytes d = { 0 };
	bits_add(&d, 7, 3); // a block of type 3
	check_ends(&d, INFLATE_MALFORMED);
	bytes_add(&d,
		  "\1\5\0\xfa\xfe"
		  "hello",
		  10); // the complement
	check_ends(&d, INFLATE_MALFORMED);
	bytes_add(&d,
		  "\1\5\0\xfa\xff"
		  "hell",
		  9);
	check_ends(&d, INFLATE_TRUNCATED);
	for (unsigned symbol = 285; symbol <= 287; symbol++) {
		d = fixed_block();
		fixed_add(&d, 'a');
		fixed_add(&d, symbol);
		code_add(&d, 0, 5);
		fixed_add(&d, 256);
		check_ends(&d, symbol == 285 ? INFLATE_DONE : INFLATE_MALFORMED);
	}
	// Before the first byte, and a distance without meaning.
	static const struct {
		unsigned symbol;
		enum inflate_end end;
	} far[] = { { 0, INFLATE_DONE }, { 1, INFLATE_MALFORMED }, { 30, INFLATE_MALFORMED } };
	for (size_t i = 0; i < countof(far); i++) {
		d = fixed_block();
		fixed_add(&d, 'a');
		fixed_add(&d, 257);
		code_add(&d, far[i].symbol, 5);
		fixed_add(&d, 256);
		check_ends(&d, far[i].end);
	}
	// A repetition without anything before it.
	bits_add(&d, 5, 3);
	bits_add(&d, 0, 14);
	bits_add(&d, 1, 3); // the code of 16 alone, which is also incomplete
	bits_add(&d, 0, 60);
	check_ends(&d, INFLATE_MALFORMED);
	d = (struct bytes){ 0 };
	bits_add(&d, 5, 3);
	bits_add(&d, 30, 5); // 287 literals
	bits_add(&d, 0, 60);
	check_ends(&d, INFLATE_MALFORMED);
}

static enum status measure(const struct bytes *file, struct gzip *gzip)
{
	uint8_t *copy = exact_copy(file->p, file->n);
	console_open();
	const enum status status = gzip_measure((struct span){ copy, file->n }, gzip);
	free(copy);
	return status;
}

// Each file that is cut ends too early, wherever: a distance code, a stored length, the trailer.
static void truncated_at_every_byte(void)
{
	struct bytes parts[] = { gzip_of("hello, world", 12), gzip_bomb(40), { 0 } };
	struct bytes codes = long_codes(15);
	struct gzip gzip;
	parts[2] = gzip_with(&codes, 0, 15);
	store_u32(parts[1].p + parts[1].n - 4, 40 * 258 + 1, ORDER_LITTLE);
	for (size_t i = 0; i < countof(parts); i++) {
		CHECK_EQ(measure(&parts[i], &gzip), STATUS_OK);
		CHECK_EQ(gzip.member_size, parts[i].n);
		for (size_t n = 3; n < parts[i].n; n++) {
			char text[120];
			struct bytes cut = { parts[i].p, n, 0, 0 };
			test_case("file %zu, %zu bytes", i, n);
			snprintf(text, sizeof text,
				 "105 gzip-truncated: the gzip file does not end within its %zu "
				 "bytes: "
				 "copy it again",
				 n);
			CHECK_REFUSED(measure(&cut, &gzip), GZIP_TRUNCATED, text);
		}
		// What follows is not read.
		bytes_add(&parts[i], "more", 4);
		CHECK_EQ(measure(&parts[i], &gzip), STATUS_OK);
		CHECK_EQ(gzip.member_size, parts[i].n - 4);
		bytes_free(&parts[i]);
	}
	bytes_free(&codes);
}

static void gzip_headers(void)
{
	struct gzip gzip;
	struct bytes body = gzip_of("hello", 5), file = { 0 };
	// All optional fields: extra, name, comment, checksum of the header.
	bytes_add(&file, "\x1f\x8b\x08\x1e\0\0\0\0\0\xff", 10);
	bytes_add(&file, "\3\0abcname\0comment\0\1\2", 5 + 5 + 8 + 2);
	const size_t header = file.n;
	bytes_add(&file, body.p + 10, body.n - 10);
	CHECK_EQ(measure(&file, &gzip), STATUS_OK);
	CHECK_EQ(gzip.unpacked_size, 5);
	for (size_t n = 10; n < header; n++) {
		struct bytes cut = { file.p, n, 0, 0 };
		CHECK_EQ(measure(&cut, &gzip), STATUS_GZIP_TRUNCATED);
	}
	file.p[3] = 0x80;
	CHECK_REFUSED(measure(&file, &gzip), GZIP_MALFORMED,
		      "105 gzip-malformed: the gzip file is damaged: it sets reserved flags");
	bytes_free(&file);
	body.p[body.n - 4] ^= 1;
	CHECK_REFUSED(
		measure(&body, &gzip), GZIP_MALFORMED,
		"105 gzip-malformed: the gzip file is damaged: it does not have the size that "
		"it states");
	body.p[12] ^= 1;
	CHECK_REFUSED(measure(&body, &gzip), GZIP_MALFORMED,
		      "105 gzip-malformed: the gzip file is damaged: its data violates the DEFLATE "
		      "format");
	bytes_free(&body);
}

// Each bit of the contents changes the checksum.
static void checksums(void)
{
	uint8_t to[5];
	for (unsigned bit = 0; bit < 40; bit++) {
		struct bytes file = gzip_of("hello", 5);
		struct gzip gzip;
		const uint32_t crc = crc_of("hello", 5);
		file.p[15 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_EQ(gzip_measure(span_of(&file), &gzip), STATUS_OK);
		char text[150];
		snprintf(text, sizeof text,
			 "105 gzip-checksum: the gzip file is damaged: the checksum of its "
			 "contents is %#x, it states %#x",
			 crc_of(file.p + 15, 5), crc);
		console_open();
		CHECK_REFUSED(gzip_unpack(&gzip, to), GZIP_CHECKSUM, text);
		bytes_free(&file);
	}
	CHECK_EQ(crc_of("123456789", 9), 0xcbf43926); // the check value of this CRC
}

// A bomb is measured in the time that its file takes, without memory for what is in it.
static void a_bomb(void)
{
	struct bytes file = gzip_bomb(1000000);
	struct gzip gzip;
	store_u32(file.p + file.n - 4, 258000001, ORDER_LITTLE);
	CHECK_EQ(measure(&file, &gzip), STATUS_OK);
	CHECK_EQ(gzip.unpacked_size, 258000001);
	CHECK(file.n < 260000);
	bytes_free(&file);
}

#define T(name) { #name, name }
SUITE(inflate, T(every_length_and_distance), T(codes_of_every_length), T(what_the_format_forbids),
      T(truncated_at_every_byte), T(gzip_headers), T(checksums), T(a_bomb));
