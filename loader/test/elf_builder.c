// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "test/elf_builder.h"

#include <stdlib.h>
#include <string.h>

enum { PHDR_SIZE = 56, ELF_HEADER_SIZE = 64 };

static void add_notes(struct elf_spec *s)
{
	// Hermit 0.11.0
	const uint8_t tag[16] = { 6, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0 };
	const uint8_t version = 4;
	s->notes_size = elf_add_note(s->notes, 0, "GNU", 1, tag, sizeof tag, 4);
	s->notes_size += elf_add_note(s->notes, s->notes_size, "HERMIT", 0x5a00, &version, 1, 4);
}

static void add_tables(struct elf_spec *s)
{
	const struct elf_dyn dyn[DYN_COUNT] = {
		{ 7, AT_RELA }, { 8, 5 * 24 },    { 9, 24 },  { 36, AT_RELR }, { 35, 3 * 8 },
		{ 37, 8 },      { 6, AT_SYMTAB }, { 11, 24 }, { 0, 0 },
	};
	const struct elf_rela rela[] = {
		{ VADDR_DATA + 0x00, R_RELATIVE, ELF_ENTRY },
		{ VADDR_DATA + 0x08, (uint64_t)1 << 32 | R_64, 0x18 },
		{ VADDR_DATA + 0x10, (uint64_t)2 << 32 | R_GLOB_DAT, 0 },
		// weak and undefined: the addend
		{ VADDR_DATA + 0x18, (uint64_t)3 << 32 | R_64, 0x40 },
		{ 0, R_NONE, 0 },
	};
	// three words and one far after them
	const uint64_t relr[] = { VADDR_DATA + 0x40, 0x8000000000000003, VADDR_DATA + 0x1100 };
	const struct elf_sym sym[] = {
		{ 0 },
		{ .info = 0x12, .section = 2, .value = VADDR_TEXT + 0x20 },
		{ .info = 0x11, .section = 3, .value = VADDR_DATA + 0x30 },
		{ .info = 0x20, .section = 0 },
	};
	s->dynamic_at = AT_DYNAMIC;
	memcpy(s->dyn, dyn, sizeof dyn);
	s->dyn_count = countof(dyn);
	memcpy(s->rela, rela, sizeof rela);
	s->rela_count = countof(rela);
	memcpy(s->relr, relr, sizeof relr);
	s->relr_count = countof(relr);
	memcpy(s->sym, sym, sizeof sym);
	s->sym_count = countof(sym);
}

struct elf_spec elf_default(void)
{
	struct elf_spec s = {
		.ident = { 0x7f, 'E', 'L', 'F', 2, 1, 1, 255 },
		.type = ET_DYN,
		.machine = 62,
		.version = 1,
		.entry = ELF_ENTRY,
		.phoff = AT_PHDRS,
		.ehsize = 64,
		.phentsize = 56,
		.phnum = SEGMENTS,
		.phdr = {
			[SEGMENT_TABLES] = { PT_LOAD, 4, 0, 0, 0, AT_TEXT, AT_TEXT, 16 },
			[SEGMENT_TEXT] = { PT_LOAD, 5, AT_TEXT, VADDR_TEXT, VADDR_TEXT, 0x60, 0x60,
					   16 },
			[SEGMENT_DATA] = { PT_LOAD, 6, AT_DATA, VADDR_DATA, VADDR_DATA, 0x200,
					   0x1200, 16 },
			[SEGMENT_DYNAMIC] = { PT_DYNAMIC, 6, AT_DYNAMIC, AT_DYNAMIC, AT_DYNAMIC,
					      DYN_COUNT * 16, DYN_COUNT * 16, 8 },
			[SEGMENT_NOTE] = { PT_NOTE, 4, AT_NOTES, AT_NOTES, AT_NOTES, 56, 56, 4 },
			[SEGMENT_TLS] = { PT_TLS, 4, AT_DATA + 0x20, VADDR_DATA + 0x20, 0, 0x10,
					  0x30, 16 },
			[SEGMENT_STACK] = { .type = PT_GNU_STACK, .flags = 6 },
		},
		.size = ELF_FILE_SIZE,
	};
	add_notes(&s);
	add_tables(&s);
	return s;
}

struct elf_spec elf_fixed(uint64_t base)
{
	struct elf_spec s = elf_default();
	s.type = ET_EXEC;
	elf_move(&s, base);
	return s;
}

void elf_move(struct elf_spec *spec, uint64_t distance)
{
	spec->entry += distance;
	for (size_t i = 0; i < SEGMENT_STACK; i++)
		spec->phdr[i].vaddr += distance;
	spec->dyn[DYN_RELA].value += distance;
	spec->dyn[DYN_RELR].value += distance;
	spec->dyn[DYN_SYMTAB].value += distance;
	spec->relr[0] += distance;
	spec->relr[2] += distance;
	for (size_t i = 0; i < spec->rela_count; i++)
		if (spec->rela[i].info != R_NONE)
			spec->rela[i].address += distance;
	for (size_t i = 1; i < 3; i++)
		spec->sym[i].value += distance;
	spec->rela[0].addend += distance;
}

void elf_phdrs_to_end(struct elf_spec *spec)
{
	spec->phoff = align_up(spec->size, 16);
	spec->size = spec->phoff + (uint64_t)PHDR_SIZE * ELF_PHDRS;
}

void elf_add_plt(struct elf_spec *spec)
{
	const uint64_t table = 0x80, dynamic = 0x100; // from the start of the data
	spec->plt_at = AT_DATA + table;
	spec->plt[0] = (struct elf_rela){ VADDR_DATA + 0x60, (uint64_t)1 << 32 | R_JUMP_SLOT, 0 };
	spec->plt[1] = (struct elf_rela){ VADDR_DATA + 0x68, R_RELATIVE, ELF_ENTRY };
	spec->plt_count = 2;
	spec->dyn[DYN_JMPREL] = (struct elf_dyn){ 23, VADDR_DATA + table };
	spec->dyn[DYN_PLTRELSZ] = (struct elf_dyn){ 2, 2 * 24 };
	spec->dyn[DYN_PLTREL] = (struct elf_dyn){ 20, 7 };
	spec->dyn[DYN_PLTREL + 1] = (struct elf_dyn){ 0, 0 };
	spec->dyn_count = DYN_PLTREL + 2;
	spec->dynamic_at = AT_DATA + dynamic;
	spec->phdr[SEGMENT_DYNAMIC].offset = spec->dynamic_at;
	spec->phdr[SEGMENT_DYNAMIC].filesz = 16 * spec->dyn_count;
}

void elf_grow(struct elf_spec *spec, uint64_t bytes)
{
	spec->phdr[SEGMENT_DATA].filesz += bytes;
	spec->phdr[SEGMENT_DATA].memsz += bytes;
	spec->size += bytes;
}

size_t elf_add_note(uint8_t *notes, size_t at, const char *name, uint32_t type, const void *desc,
		    uint32_t desc_size, size_t align)
{
	uint8_t *p = notes + at;
	uint32_t name_size = (uint32_t)strlen(name) + 1;
	size_t desc_at = (12 + name_size + align - 1) / align * align;
	store_u32(p, name_size, ORDER_LITTLE);
	store_u32(p + 4, desc_size, ORDER_LITTLE);
	store_u32(p + 8, type, ORDER_LITTLE);
	memcpy(p + 12, name, name_size);
	memcpy(p + desc_at, desc, desc_size);
	return (desc_at + desc_size + align - 1) / align * align;
}

struct file {
	const struct elf_spec *spec;
	uint8_t *bytes;
	uint64_t at;
};

static void put(struct file *f, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		unsigned byte = f->spec->order == ORDER_BIG ? size - 1 - i : i;
		if (f->at < f->spec->size)
			f->bytes[f->at] = (uint8_t)(value >> (8 * byte));
		f->at++;
	}
}

static void put_header(struct file *f)
{
	const struct elf_spec *s = f->spec;
	for (size_t i = 0; i < sizeof s->ident; i++)
		put(f, s->ident[i], 1);
	put(f, s->type, 2);
	put(f, s->machine, 2);
	put(f, s->version, 4);
	put(f, s->entry, 8);
	put(f, s->phoff, 8);
	put(f, s->shoff, 8);
	put(f, s->flags, 4);
	put(f, s->ehsize, 2);
	put(f, s->phentsize, 2);
	put(f, s->phnum, 2);
	put(f, s->shentsize, 2);
	put(f, s->shnum, 2);
	put(f, s->shstrndx, 2);
}

static void put_phdrs(struct file *f)
{
	const struct elf_spec *s = f->spec;
	if (s->phoff > s->size)
		return;
	f->at = s->phoff;
	for (const struct elf_phdr *ph = s->phdr;
	     ph < s->phdr + (s->phnum < ELF_PHDRS ? s->phnum : ELF_PHDRS); ph++) {
		put(f, ph->type, 4);
		put(f, ph->flags, 4);
		put(f, ph->offset, 8);
		put(f, ph->vaddr, 8);
		put(f, ph->paddr, 8);
		put(f, ph->filesz, 8);
		put(f, ph->memsz, 8);
		put(f, ph->align, 8);
	}
}

static void put_relas(struct file *f, uint64_t at, const struct elf_rela *rela, size_t count)
{
	f->at = at;
	for (size_t i = 0; i < count; i++) {
		put(f, rela[i].address, 8);
		put(f, rela[i].info, 8);
		put(f, rela[i].addend, 8);
	}
}

static void put_tables(struct file *f)
{
	const struct elf_spec *s = f->spec;
	f->at = s->dynamic_at;
	for (size_t i = 0; i < s->dyn_count; i++) {
		put(f, s->dyn[i].tag, 8);
		put(f, s->dyn[i].value, 8);
	}
	put_relas(f, AT_RELA, s->rela, s->rela_count);
	put_relas(f, s->plt_at, s->plt, s->plt_count);
	f->at = AT_RELR;
	for (size_t i = 0; i < s->relr_count; i++)
		put(f, s->relr[i], 8);
	f->at = AT_SYMTAB;
	for (size_t i = 0; i < s->sym_count; i++) {
		put(f, s->sym[i].name, 4);
		put(f, s->sym[i].info, 1);
		put(f, s->sym[i].other, 1);
		put(f, s->sym[i].section, 2);
		put(f, s->sym[i].value, 8);
		put(f, s->sym[i].size, 8);
	}
}

uint8_t *elf_write(const struct elf_spec *spec)
{
	struct file f = { .spec = spec, .bytes = malloc(spec->size) };
	for (uint64_t i = 0; i < spec->size; i++)
		// so that a byte in a wrong place is seen
		f.bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	put_header(&f);
	f.at = AT_NOTES;
	for (size_t i = 0; i < spec->notes_size; i++)
		put(&f, spec->notes[i], 1);
	put_tables(&f);
	put_phdrs(&f);
	return f.bytes;
}
