// SPDX-License-Identifier: Apache-2.0 OR MIT
// ELF64 files (System V ABI, chapters 4 and 5; gABI 4.3 for RELR): from bytes to a checked
// description. Reads only, writes nothing but `out`.
#pragma once

#include "core/base.h"
#include "core/span.h"
#include "core/status.h"

// What differs by CPU is a row of data, so that one host test covers every CPU and byte order.
struct elf_target {
	uint16_t machine; // e_machine
	enum order order;
	// relocation types; 0, which is no relocation, where the CPU has none
	uint32_t relative, abs64, glob_dat, jump_slot;
};

extern const struct elf_target elf_target_x86_64, elf_target_aarch64, elf_target_aarch64_be,
	elf_target_riscv64;

// A loader runs in the byte order of the applications that it starts, so that there it is a
// constant; only host tests read both.
static inline enum order elf_order(const struct elf_target *target)
{
	return __STDC_HOSTED__ ? target->order : ORDER_NATIVE;
}

#define ELF_SEGMENTS_MAX 64
#define ELF_NOTES_MAX 8

// A PT_LOAD. Checked: filesz <= memsz, [offset, offset + filesz) lies in the file, vaddr + memsz
// does not overflow, ascending and disjoint.
struct elf_segment {
	uint64_t offset;
	uint64_t filesz;
	uint64_t vaddr;
	uint64_t memsz;
};

// A PT_NOTE's bytes, and the padding its notes have (4 or 8).
struct elf_note_segment {
	struct span bytes;
	uint64_t align;
};

// PT_TLS as in the file; all zero when there is none. [vaddr, vaddr + filesz) lies in the image.
struct elf_tls {
	uint64_t vaddr;
	uint64_t filesz;
	uint64_t memsz;
	uint64_t align;
};

// A table that the dynamic section names, as addresses of the file: it lies within the file bytes
// of one segment. size 0: not there.
struct elf_table {
	uint64_t vaddr;
	uint64_t size;
};

struct elf_image {
	struct span file;
	const struct elf_target *target;
	// ET_DYN: may be placed anywhere; else ET_EXEC: runs at its addresses
	bool dyn;
	uint64_t entry; // e_entry, in the file's addresses
	uint64_t vaddr; // of the first segment
	uint64_t size;  // from there to the end of the last segment's memory
	// largest p_align of the segments and the TLS template, at least 1
	uint64_t align;
	uint32_t segment_count;
	uint32_t note_count;
	struct elf_segment segments[ELF_SEGMENTS_MAX];
	struct elf_note_segment notes[ELF_NOTES_MAX];
	struct elf_tls tls;
	struct elf_table rela, plt, relr, symbols; // of ET_DYN files only
};

// How far the file reaches that begins at `start`, of which at most `most` bytes can be seen: for
// starters that tell only where it begins. 0 when its first bytes are no ELF header.
uint64_t elf_extent(const uint8_t *start, uint64_t most, const struct elf_target *target);

// Checks everything but the relocations themselves (load.c) and describes the file. `out` is whole
// only with STATUS_OK. Each refusal has been printed by log.h's refuse().
must_check enum status elf_parse(struct span file, const struct elf_target *target,
				 struct elf_image *out);
