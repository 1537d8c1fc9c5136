// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "test/elf_model.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

static Elf64_Phdr phdr_at(struct span file, unsigned i)
{
	Elf64_Ehdr header;
	Elf64_Phdr ph;
	memcpy(&header, file.p, sizeof header);
	memcpy(&ph, file.p + header.e_phoff + i * sizeof ph, sizeof ph);
	return ph;
}

static uint64_t word_at(const struct model *m, uint64_t vaddr)
{
	uint64_t word;
	memcpy(&word, m->bytes + (vaddr - m->vaddr), sizeof word);
	return word;
}

static void set_word(const struct model *m, uint64_t vaddr, uint64_t word)
{
	memcpy(m->bytes + (vaddr - m->vaddr), &word, sizeof word);
}

// DT_RELR and DT_RELRSZ have a second number: bionic used RELR before the gABI had it.
static bool is_tag(Elf64_Sxword found, Elf64_Sxword tag)
{
	return found == tag || (tag == 36 && found == 0x6fffe000) ||
	       (tag == 35 && found == 0x6fffe001);
}

static uint64_t dynamic(struct span file, Elf64_Sxword tag)
{
	Elf64_Ehdr header;
	Elf64_Phdr section = { 0 };
	uint64_t value = 0;
	memcpy(&header, file.p, sizeof header);
	for (unsigned i = 0; i < header.e_phnum; i++)
		if (phdr_at(file, i).p_type == PT_DYNAMIC)
			section = phdr_at(file, i); // of several the last one counts
	for (uint64_t at = 0; section.p_filesz - at >= sizeof(Elf64_Dyn); at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn entry;
		memcpy(&entry, file.p + section.p_offset + at, sizeof entry);
		if (entry.d_tag == DT_NULL)
			break;
		if (is_tag(entry.d_tag, tag))
			value = entry.d_un.d_val;
	}
	return value;
}

static void apply_relr(struct span file, const struct model *m, uint64_t delta)
{
	uint64_t table = dynamic(file, 36 /* DT_RELR */), size = dynamic(file, 35 /* DT_RELRSZ */),
		 where = 0;
	for (uint64_t at = 0; at < size; at += 8) {
		uint64_t entry = word_at(m, table + at);
		if (entry % 2 == 0) {
			set_word(m, entry, word_at(m, entry) + delta);
			where = entry + 8;
			continue;
		}
		for (unsigned i = 0; i < 63; i++)
			if (entry >> (i + 1) & 1)
				set_word(m, where + i * 8, word_at(m, where + i * 8) + delta);
		where += 63 * 8;
	}
}

static void apply_rela(struct span file, const struct model *m, uint64_t delta, uint64_t table,
		       uint64_t size)
{
	uint64_t symbols = dynamic(file, DT_SYMTAB);
	for (uint64_t at = 0; at < size; at += sizeof(Elf64_Rela)) {
		uint64_t address = word_at(m, table + at), info = word_at(m, table + at + 8),
			 addend = word_at(m, table + at + 16);
		Elf64_Sym symbol = { 0 };
		switch (ELF64_R_TYPE(info)) {
		case R_X86_64_NONE:
			break;
		case R_X86_64_RELATIVE:
			set_word(m, address, delta + addend);
			break;
		default: // R_X86_64_64, R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT
			// The table need not exist for symbol 0, which has no value.
			if (ELF64_R_SYM(info) != STN_UNDEF)
				memcpy(&symbol,
				       m->bytes + (symbols - m->vaddr) +
					       ELF64_R_SYM(info) * sizeof symbol,
				       sizeof symbol);
			set_word(m, address,
				 (symbol.st_shndx == SHN_UNDEF ? 0
				  : symbol.st_shndx == SHN_ABS ? symbol.st_value
							       : delta + symbol.st_value) +
					 (ELF64_R_TYPE(info) == R_X86_64_64 ? addend : 0));
			break;
		}
	}
}

struct model model_load(struct span file, uint64_t run_at)
{
	Elf64_Ehdr header;
	struct model m = { .vaddr = UINT64_MAX };
	memcpy(&header, file.p, sizeof header);
	for (unsigned i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr ph = phdr_at(file, i);
		if (ph.p_type != PT_LOAD || ph.p_memsz == 0)
			continue;
		if (m.vaddr == UINT64_MAX)
			m.vaddr = ph.p_vaddr;
		m.size = ph.p_vaddr + ph.p_memsz - m.vaddr;
	}
	m.bytes = calloc(1, m.size);
	for (unsigned i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr ph = phdr_at(file, i);
		if (ph.p_type == PT_LOAD && ph.p_filesz != 0)
			memcpy(m.bytes + (ph.p_vaddr - m.vaddr), file.p + ph.p_offset, ph.p_filesz);
	}
	apply_relr(file, &m, run_at - m.vaddr);
	apply_rela(file, &m, run_at - m.vaddr, dynamic(file, DT_RELA), dynamic(file, DT_RELASZ));
	apply_rela(file, &m, run_at - m.vaddr, dynamic(file, DT_JMPREL),
		   dynamic(file, DT_PLTRELSZ));
	m.entry = header.e_entry + (run_at - m.vaddr);
	return m;
}
