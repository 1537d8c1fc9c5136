// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "test/devicetree_builder.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/span.h"

enum { HEADER = 40, ROOM = 16384 };

static struct {
	uint8_t reserve[256], structure[ROOM];
	char strings[1024];
	size_t reserve_n, structure_n, strings_n;
} b;

static void word(uint32_t v)
{
	store_u32(b.structure + b.structure_n, v, ORDER_BIG);
	b.structure_n += 4;
}

static void padded(const void *bytes, size_t n)
{
	memset(b.structure + b.structure_n, 0, n + 4);
	memcpy(b.structure + b.structure_n, bytes, n);
	b.structure_n += align_up(n, 4);
}

void tree_begin(void)
{
	memset(&b, 0, sizeof b);
}

void tree_reserve(uint64_t start, uint64_t size)
{
	store_u64(b.reserve + b.reserve_n, start, ORDER_BIG);
	store_u64(b.reserve + b.reserve_n + 8, size, ORDER_BIG);
	b.reserve_n += 16;
}

void tree_node(const char *name)
{
	word(1);
	padded(name, strlen(name) + 1);
}

void tree_end_node(void)
{
	word(2);
}

void tree_bytes(const char *name, const void *bytes, size_t n)
{
	word(3);
	word((uint32_t)n);
	word((uint32_t)b.strings_n);
	memcpy(b.strings + b.strings_n, name, strlen(name) + 1);
	b.strings_n += strlen(name) + 1;
	padded(bytes, n);
}

void tree_text(const char *name, const char *text)
{
	tree_bytes(name, text, strlen(text) + 1);
}

void tree_cells(const char *name, size_t count, ...)
{
	uint8_t bytes[64];
	va_list list;
	va_start(list, count);
	for (size_t i = 0; i < count; i++)
		store_u32(bytes + 4 * i, va_arg(list, uint32_t), ORDER_BIG);
	va_end(list);
	tree_bytes(name, bytes, 4 * count);
}

uint8_t *tree_done(size_t tail, size_t *n)
{
	word(9);
	size_t reserve_at = HEADER, structure_at = reserve_at + b.reserve_n + 16,
	       strings_at = structure_at + b.structure_n;
	*n = strings_at + b.strings_n + tail;
	uint8_t *p = calloc(1, *n);
	const uint32_t header[10] = { 0xd00dfeed,
				      (uint32_t)*n,
				      (uint32_t)structure_at,
				      (uint32_t)strings_at,
				      (uint32_t)reserve_at,
				      17,
				      16,
				      0,
				      (uint32_t)b.strings_n,
				      (uint32_t)b.structure_n };
	for (size_t i = 0; i < 10; i++)
		store_u32(p + 4 * i, header[i], ORDER_BIG);
	memcpy(p + reserve_at, b.reserve, b.reserve_n);
	memcpy(p + structure_at, b.structure, b.structure_n);
	memcpy(p + strings_at, b.strings, b.strings_n);
	return p;
}
