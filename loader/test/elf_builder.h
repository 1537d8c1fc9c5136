// SPDX-License-Identifier: Apache-2.0 OR MIT
// Small ELF64 files for tests: a valid one as data, in which a test changes what it is about. See
// elf_default() for what is in it.
#pragma once

#include "core/span.h"

enum {
	ELF_PHDRS = 80,
	ELF_DYNS = 16,
	ELF_RELAS = 8,
	ELF_RELRS = 8,
	ELF_SYMS = 4,
	ELF_NOTE_BYTES = 96,
	ELF_PLTS = 2
};

enum {
	SEGMENT_TABLES,
	SEGMENT_TEXT,
	SEGMENT_DATA,
	SEGMENT_DYNAMIC,
	SEGMENT_NOTE,
	SEGMENT_TLS,
	SEGMENT_STACK,
	SEGMENTS
};

enum {
	DYN_RELA,
	DYN_RELASZ,
	DYN_RELAENT,
	DYN_RELR,
	DYN_RELRSZ,
	DYN_RELRENT,
	DYN_SYMTAB,
	DYN_SYMENT,
	DYN_NULL,
	DYN_COUNT
};

// Where elf_add_plt() puts its entries.
enum { DYN_JMPREL = DYN_NULL, DYN_PLTRELSZ, DYN_PLTREL };

enum { R_NONE = 0, R_64 = 1, R_COPY = 5, R_GLOB_DAT = 6, R_JUMP_SLOT = 7, R_RELATIVE = 8 };

enum {
	PT_LOAD = 1,
	PT_DYNAMIC = 2,
	PT_NOTE = 4,
	PT_TLS = 7,
	PT_GNU_STACK = 0x6474e551,
	ET_EXEC = 2,
	ET_DYN = 3
};

// Where the default file has its parts.
enum {
	AT_PHDRS = 0x40,
	AT_NOTES = 0x1d0,
	AT_DYNAMIC = 0x210,
	AT_RELA = 0x2b0,
	AT_RELR = 0x328,
	AT_SYMTAB = 0x340,
	AT_TEXT = 0x3a0,
	AT_DATA = 0x400,
	ELF_FILE_SIZE = 0x600,
	VADDR_TEXT = 0x1000,
	VADDR_DATA = 0x2000,
	ELF_IMAGE_SIZE = 0x3200,
	ELF_ENTRY = 0x1010,
};

struct elf_phdr {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_dyn {
	uint64_t tag, value;
};

struct elf_rela {
	uint64_t address, info, addend;
};

struct elf_sym {
	uint32_t name;
	uint8_t info, other;
	uint16_t section;
	uint64_t value, size;
};

struct elf_spec {
	enum order order;
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
	struct elf_phdr phdr[ELF_PHDRS]; // phnum of them are written
	uint64_t dynamic_at;
	struct elf_dyn dyn[ELF_DYNS];
	size_t dyn_count;
	struct elf_rela rela[ELF_RELAS];
	size_t rela_count;
	uint64_t plt_at; // in the file; see elf_add_plt()
	struct elf_rela plt[ELF_PLTS];
	size_t plt_count;
	uint64_t relr[ELF_RELRS];
	size_t relr_count;
	struct elf_sym sym[ELF_SYMS];
	size_t sym_count;
	uint8_t notes[ELF_NOTE_BYTES];
	size_t notes_size;
	uint64_t size; // of the file
};

// An ET_DYN application of entry version 4 that uses everything that the loader knows.
struct elf_spec elf_default(void);

// The same at fixed addresses from `base` on.
struct elf_spec elf_fixed(uint64_t base);

// Adds `distance` to every address of the default file.
void elf_move(struct elf_spec *spec, uint64_t distance);

// Makes room for more program headers: they move after everything else, to a multiple of 16.
void elf_phdrs_to_end(struct elf_spec *spec);

// Adds DT_JMPREL with two entries, for VADDR_DATA + 0x60 and 0x68. Moves table and dynamic section
// to the data segment.
void elf_add_plt(struct elf_spec *spec);

// Lengthens the data segment's file bytes and memory, and with it the file.
void elf_grow(struct elf_spec *spec, uint64_t bytes);

// Adds a note to `notes`, padded to `align`; returns its size with padding.
size_t elf_add_note(uint8_t *notes, size_t at, const char *name, uint32_t type, const void *desc,
		    uint32_t desc_size, size_t align);

// Returns the file in an allocation of spec->size bytes, which the caller frees. Parts outside of
// the size are cut.
uint8_t *elf_write(const struct elf_spec *spec);
