// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "test/archive_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bytes_add(struct bytes *to, const void *p, size_t n)
{
	// Doubled, because AddressSanitizer's realloc always copies.
	if (to->n + n >= to->room)
		to->p = realloc(to->p, to->room = 2 * (to->n + n + 1));
	if (n != 0)
		memcpy(to->p + to->n, p, n);
	to->n += n;
	to->bits = 0;
}

void bytes_free(struct bytes *bytes)
{
	free(bytes->p);
	*bytes = (struct bytes){ 0 };
}

void bits_add(struct bytes *to, unsigned value, unsigned count)
{
	for (; count > 0; count--, value >>= 1) {
		if (to->bits == 0)
			bytes_add(to, "", 1);
		to->p[to->n - 1] |= (uint8_t)((value & 1) << to->bits);
		to->bits = (to->bits + 1) % 8;
	}
}

void code_add(struct bytes *to, unsigned code, unsigned count)
{
	while (count-- > 0)
		bits_add(to, code >> count & 1, 1);
}

void fixed_add(struct bytes *to, unsigned symbol)
{
	if (symbol < 144)
		code_add(to, 0x30 + symbol, 8);
	else if (symbol < 256)
		code_add(to, 0x190 + symbol - 144, 9);
	else if (symbol < 280)
		code_add(to, symbol - 256, 7);
	else
		code_add(to, 0xc0 + symbol - 280, 8);
}

void tar_checksum(uint8_t *header)
{
	unsigned sum = 0;
	memset(header + 148, ' ', 8);
	for (unsigned i = 0; i < 512; i++)
		sum += header[i];
	snprintf((char *)header + 148, 8, "%06o", sum);
}

void tar_add(struct bytes *to, const char *name, const void *p, size_t n)
{
	uint8_t header[512] = { 0 };
	static const uint8_t zeros[512];
	snprintf((char *)header, 100, "%s", name);
	snprintf((char *)header + 124, 12, "%011zo", n);
	header[156] = '0';
	memcpy(header + 257,
	       "ustar\0"
	       "00",
	       8);
	tar_checksum(header);
	bytes_add(to, header, sizeof header);
	bytes_add(to, p, n);
	bytes_add(to, zeros, (512 - n % 512) % 512);
}

uint32_t crc_of(const void *p, size_t n)
{
	uint32_t crc = ~0U;
	for (const uint8_t *at = p; n > 0; n--, at++) {
		crc ^= *at;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1) * 0xedb88320;
	}
	return ~crc;
}

struct bytes gzip_with(const struct bytes *deflated, uint32_t crc, uint32_t size)
{
	struct bytes out = { 0 };
	uint8_t trailer[8];
	bytes_add(&out, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
	bytes_add(&out, deflated->p, deflated->n);
	store_u32(trailer, crc, ORDER_LITTLE);
	store_u32(trailer + 4, size, ORDER_LITTLE);
	bytes_add(&out, trailer, sizeof trailer);
	return out;
}

struct bytes gzip_of(const void *p, size_t n)
{
	struct bytes deflated = { 0 };
	const uint8_t *from = p;
	size_t left = n;
	do {
		const size_t now = left < 0xffff ? left : 0xffff;
		uint8_t head[5] = { now == left, (uint8_t)now, (uint8_t)(now >> 8), (uint8_t)~now,
				    (uint8_t)(~now >> 8) };
		bytes_add(&deflated, head, sizeof head);
		bytes_add(&deflated, from, now);
		from += now;
		left -= now;
	} while (left > 0);
	struct bytes out = gzip_with(&deflated, crc_of(p, n), (uint32_t)n);
	bytes_free(&deflated);
	return out;
}

// A block of codes of one bit for length 285 and distance 1, and of two for 'a' and the end.
struct bytes gzip_bomb(unsigned copies)
{
	struct bytes d = { 0 };
	static const uint8_t order[] = { 16, 17, 18, 0,  8, 7,  9, 6,  10,
					 5,  11, 4,  12, 3, 13, 2, 14, 1 };
	bits_add(&d, 1, 1);
	bits_add(&d, 2, 2);
	bits_add(&d, 286 - 257, 5);
	bits_add(&d, 0, 5);
	bits_add(&d, sizeof order - 4, 4);
	// The lengths 1, 2 and 18 (zeros) have codes of 2, 2 and 1 bits: 10, 11, 0.
	for (size_t i = 0; i < sizeof order; i++)
		bits_add(&d, order[i] == 18 ? 1 : order[i] == 1 || order[i] == 2 ? 2 : 0, 3);
	enum { ONE = 2, TWO = 3 };
	code_add(&d, 0, 1); // 97 zeros
	bits_add(&d, 97 - 11, 7);
	code_add(&d, TWO, 2); // 'a'
	code_add(&d, 0, 1);   // 158 zeros
	bits_add(&d, 138 - 11, 7);
	code_add(&d, 0, 1);
	bits_add(&d, 20 - 11, 7);
	code_add(&d, TWO, 2); // 256
	code_add(&d, 0, 1);   // 28 zeros
	bits_add(&d, 28 - 11, 7);
	code_add(&d, ONE, 2); // 285
	code_add(&d, ONE, 2); // distance 1
	code_add(&d, 2, 2);
	for (; copies > 0; copies--)
		code_add(&d, 0, 2);
	code_add(&d, 3, 2);
	struct bytes out = gzip_with(&d, 0, 0);
	bytes_free(&d);
	return out;
}
