// SPDX-License-Identifier: Apache-2.0 OR MIT
// Writes gzip files and tar archives, and streams of bits.
#pragma once

#include <string.h>

#include "core/span.h"

struct bytes {
	uint8_t *p;
	size_t n;
	unsigned bits; // bits of the last byte that are used; 0: all
	size_t room;
};

static inline struct span span_of(const struct bytes *bytes)
{
	return (struct span){ bytes->p, bytes->n };
}

static inline struct span text_span(const char *text)
{
	return (struct span){ (const uint8_t *)text, strlen(text) };
}

void bytes_add(struct bytes *to, const void *p, size_t n);
void bytes_free(struct bytes *bytes);
// The lowest bit first, as DEFLATE has numbers; the highest first, as it has codes.
void bits_add(struct bytes *to, unsigned value, unsigned count);
void code_add(struct bytes *to, unsigned code, unsigned count);
// A literal or length of the fixed code.
void fixed_add(struct bytes *to, unsigned symbol);

void tar_add(struct bytes *to, const char *name, const void *p, size_t n);
void tar_checksum(uint8_t *header); // computes it again
// A gzip file with stored blocks.
struct bytes gzip_of(const void *p, size_t n);
struct bytes gzip_with(const struct bytes *deflated, uint32_t crc, uint32_t size);
uint32_t crc_of(const void *p, size_t n);
// `copies` times 258 bytes 'a', and one, in two bits each.
struct bytes gzip_bomb(unsigned copies);
