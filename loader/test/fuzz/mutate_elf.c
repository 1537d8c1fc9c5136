// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Mutates an ELF file by its structure: a field of a header, of the dynamic section, of a
// relocation or of a note gets a value that matters at that place.
#include <elf.h>

#include "test/fuzz/fuzz.h"
#include "test/test.h"

struct mutation {
	uint8_t *p;
	size_t n;
	uint64_t random;
};

static uint64_t choose(struct mutation *m, uint64_t below)
{
	return next_random(&m->random) % below;
}

// Edges of 64, 32 and 16 bits, sizes and addresses of this file, and neighbours of `old`.
static uint64_t value_near(struct mutation *m, uint64_t old)
{
	const uint64_t edges[] = { 0,
				   1,
				   7,
				   8,
				   0xffff,
				   0x10000,
				   UINT32_MAX,
				   GIB(4),
				   UINT64_MAX,
				   INT64_MAX,
				   m->n,
				   MIB(2),
				   UINT64_MAX - 7,
				   PAGE_SIZE,
				   GIB(1),
				   UINT64_MAX - m->n };
	switch (choose(m, 4)) {
	case 0:
		return old + choose(m, 17) - 8;
	case 1:
		return old ^ UINT64_C(1) << choose(m, 64);
	case 2:
		return edges[choose(m, countof(edges))] - choose(m, 2);
	default:
		return load_u64(m->p + choose(m, m->n - 7), ORDER_LITTLE);
	}
}

static void change(struct mutation *m, uint64_t at, unsigned size)
{
	uint64_t value = 0;
	if (at > m->n || size > m->n - at)
		return;
	memcpy(&value, m->p + at, size);
	value = value_near(m, value);
	memcpy(m->p + at, &value, size);
}

static void change_header(struct mutation *m)
{
	static const uint8_t fields[][2] = { { 4, 1 },  { 5, 1 },  { 6, 1 },  { 16, 2 }, { 18, 2 },
					     { 24, 8 }, { 32, 8 }, { 40, 8 }, { 52, 2 }, { 54, 2 },
					     { 56, 2 }, { 58, 2 }, { 60, 2 } };
	const uint8_t *field = fields[choose(m, countof(fields))];
	change(m, field[0], field[1]);
}

static Elf64_Phdr phdr(const struct mutation *m, uint64_t at)
{
	Elf64_Phdr ph = { 0 };
	if (at <= m->n && sizeof ph <= m->n - at)
		memcpy(&ph, m->p + at, sizeof ph);
	return ph;
}

// A program header: a field of it, all of it, or something that it points to.
static void change_segment(struct mutation *m)
{
	static const uint8_t fields[] = { 8, 16, 32, 40, 48 };
	static const uint32_t types[] = { PT_NULL, PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_TLS };
	Elf64_Ehdr header;
	memcpy(&header, m->p, sizeof header);
	const uint64_t count = header.e_phnum == 0 ? 1 : header.e_phnum,
		       at = header.e_phoff + choose(m, count) * sizeof(Elf64_Phdr),
		       other = header.e_phoff + choose(m, count) * sizeof(Elf64_Phdr);
	const Elf64_Phdr ph = phdr(m, at);
	const uint64_t inside = ph.p_offset + (ph.p_filesz == 0 ? 0 : choose(m, ph.p_filesz) & ~7U);
	switch (choose(m, 8)) {
	case 0:
		if (at <= m->n && sizeof ph <= m->n - at)
			memcpy(m->p + at, &types[choose(m, countof(types))], 4);
		return;
	case 1:
		if (at <= m->n && sizeof ph <= m->n - at && other <= m->n &&
		    sizeof ph <= m->n - other)
			memmove(m->p + at, m->p + other, sizeof ph);
		return;
	case 2:
	case 3:
	case 4:
		change(m, inside, ph.p_type == PT_NOTE ? 4 : 8);
		return;
	case 5:
		change(m, at + 4, 4);
		return;
	default:
		change(m, at + fields[choose(m, countof(fields))], 8);
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room, unsigned seed)
{
	struct mutation m = { data, n, (uint64_t)seed << 1 | 1 };
	(void)next_random(&m.random);
	if (n < sizeof(Elf64_Ehdr) || choose(&m, 4) == 0)
		return LLVMFuzzerMutate(data, n, room);
	for (uint64_t rounds = 1 + choose(&m, 3); rounds > 0; rounds--) {
		if (choose(&m, 4) == 0)
			change_header(&m);
		else
			change_segment(&m);
	}
	return n;
}
