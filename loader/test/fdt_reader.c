// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "test/fdt_reader.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct reader {
	const uint8_t *p;
	size_t n, at, structure, structure_end, strings, strings_end;
	char *out;
	size_t room, used;
	char path[256];
	bool good;
};

static void say(struct reader *r, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(r->out + r->used, r->room - r->used, format, args);
	va_end(args);
	r->used += (size_t)n < r->room - r->used ? (size_t)n : r->room - r->used - 1;
}

static void wrong(struct reader *r, const char *what, size_t at)
{
	if (r->good) {
		r->used = 0;
		say(r, "%s at 0x%zx", what, at);
	}
	r->good = false;
}

static uint32_t u32(struct reader *r, size_t at)
{
	if (at % 4 != 0 || at + 4 > r->n) {
		wrong(r, "no word", at);
		return 0;
	}
	const uint8_t *p = r->p + at;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t u64(struct reader *r, size_t at)
{
	return (uint64_t)u32(r, at) << 32 | u32(r, at + 4);
}

static void header(struct reader *r)
{
	static const uint32_t want[] = { 0xd00dfeed, 0, 0, 0, 40, 17, 16, 0, 0, 0 };
	if (u32(r, 0) != want[0] || u32(r, 16) != want[4] || u32(r, 20) != want[5] ||
	    u32(r, 24) != want[6] || u32(r, 28) != want[7])
		wrong(r, "header", 0);
	if (u32(r, 4) != r->n)
		wrong(r, "total size", 4);
	r->structure = u32(r, 8);
	r->structure_end = r->structure + u32(r, 36);
	r->strings = u32(r, 12);
	r->strings_end = r->strings + u32(r, 32);
	if (r->structure_end > r->strings || r->strings_end > r->n || r->structure % 4 != 0)
		wrong(r, "blocks", 8);
}

static void reservations(struct reader *r)
{
	size_t at = 40;
	for (; r->good && (u64(r, at) != 0 || u64(r, at + 8) != 0); at += 16)
		say(r, "reserve %llx %llx\n", (unsigned long long)u64(r, at),
		    (unsigned long long)u64(r, at + 8));
	if (at + 16 > r->structure)
		wrong(r, "reservations", at);
}

// The text at `at`, which ends with a NUL before `end`.
static const char *text(struct reader *r, size_t at, size_t end)
{
	if (at >= end || memchr(r->p + at, 0, end - at) == NULL) {
		wrong(r, "no text", at);
		return "";
	}
	return (const char *)r->p + at;
}

static void padding(struct reader *r)
{
	while (r->good && r->at % 4 != 0)
		if (r->at >= r->n || r->p[r->at++] != 0)
			wrong(r, "padding", r->at);
}

static void property(struct reader *r)
{
	uint32_t n = u32(r, r->at);
	const char *name = text(r, r->strings + u32(r, r->at + 4), r->strings_end);
	r->at += 8;
	if (r->at + n > r->structure_end) {
		wrong(r, "property", r->at);
		return;
	}
	say(r, "%s %s =", r->path[0] != '\0' ? r->path : "/", name);
	for (uint32_t i = 0; i < n; i++)
		say(r, "%s%02x", i % 4 == 0 ? " " : "", r->p[r->at + i]);
	say(r, "\n");
	r->at += n;
	padding(r);
}

static void node(struct reader *r)
{
	const char *name = text(r, r->at, r->structure_end);
	if (r->at != r->structure + 4) {
		strcat(r->path, "/");
		strncat(r->path, name, 100);
		say(r, "%s\n", r->path);
	}
	r->at += strlen(name) + 1;
	padding(r);
}

static void structure(struct reader *r)
{
	unsigned depth = 0;
	r->at = r->structure;
	while (r->good) {
		size_t at = r->at;
		uint32_t token = u32(r, at);
		r->at += 4;
		if (token == 1 && depth < 5) {
			depth++;
			node(r);
		} else if (token == 2 && depth > 0) {
			depth--;
			char *slash = strrchr(r->path, '/');
			if (slash != NULL)
				*slash = '\0';
		} else if (token == 3 && depth > 0) {
			property(r);
		} else if (token == 9 && depth == 0 && r->at == r->structure_end) {
			return;
		} else {
			wrong(r, "token", at);
		}
	}
}

bool fdt_text(const uint8_t *fdt, size_t n, char *out, size_t room)
{
	struct reader r = { .p = fdt, .n = n, .out = out, .room = room, .good = true };
	out[0] = '\0';
	header(&r);
	if (r.good)
		reservations(&r);
	if (r.good)
		structure(&r);
	return r.good;
}
