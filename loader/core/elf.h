// SPDX-License-Identifier: Apache-2.0 OR MIT
// ELF64 files (System V gABI 4.3 and the psABI of each CPU): elf_parse() checks an untrusted file
// and describes it in struct elf_image, which points into the file and owns nothing. Users may rely
// on the sizes, addresses and offsets of the description. Relocation entries are not part of it:
// load.c checks each when it reads it.
#pragma once

#include "core/base.h"
#include "core/span.h"
#include "core/status.h"

// What differs by CPU is data, so that one host test covers every CPU and byte order.
struct elf_target {
	uint16_t machine; // e_machine
	enum order order;
	// Relocation types of the psABI. 0 (R_*_NONE) if the CPU has no such type.
	uint32_t relative, abs64, glob_dat, jump_slot;
	// glob_dat and jump_slot store the symbol's address plus the addend. false: the symbol's
	// address alone.
	bool slot_addend;
};

extern const struct elf_target elf_target_x86_64, elf_target_aarch64, elf_target_aarch64_be,
	elf_target_riscv64;

// A loader has the byte order of its applications, which makes the order a constant and removes the
// swaps from its code. Only host tests read both orders.
static inline enum order elf_order(const struct elf_target *target)
{
	return __STDC_HOSTED__ ? target->order : ORDER_NATIVE;
}

// The first four bytes (e_ident).
#define ELF_MAGIC "\177ELF"
// At most 64: elf_image.read_only has one bit per segment.
#define ELF_SEGMENTS_MAX 64
#define ELF_NOTES_MAX 8

// A PT_LOAD with memsz != 0. Checked: filesz <= memsz, [offset, offset + filesz) is inside the
// file, vaddr + memsz does not overflow, and segments ascend without overlap.
struct elf_segment {
	// Unchecked if filesz is 0.
	uint64_t offset;
	uint64_t filesz;
	uint64_t vaddr;
	uint64_t memsz;
};

// The bytes of a PT_NOTE and the alignment of its notes: 4 or 8, by p_align.
struct elf_note_segment {
	struct span bytes;
	uint64_t align;
};

// PT_TLS. If memsz is 0, there is no TLS, and the other fields have no meaning. Otherwise [vaddr,
// vaddr + filesz) is inside the image.
struct elf_tls {
	uint64_t vaddr;
	uint64_t filesz;
	uint64_t memsz;
	uint64_t align;
};

// A table that the dynamic section names, by link-time address. It is inside the file bytes of one
// segment. size 0: no such table.
struct elf_table {
	uint64_t vaddr;
	uint64_t size;
};

struct elf_image {
	struct span file;
	const struct elf_target *target;
	// ET_DYN: the image may be loaded anywhere. false: ET_EXEC, only at `vaddr`.
	bool dyn;
	// e_entry, a link-time address.
	uint64_t entry;
	// Link-time address of the first segment, and bytes from there to the end of the last one.
	uint64_t vaddr;
	uint64_t size;
	// Largest p_align of the PT_LOAD and PT_TLS segments, at least 1.
	uint64_t align;
	// Bit i is set if segment i is not writable (no PF_W).
	uint64_t read_only;
	// DT_TEXTREL or DF_TEXTREL: relocations may be in read-only segments.
	bool text_relocations;
	uint32_t segment_count;
	uint32_t note_count;
	struct elf_segment segments[ELF_SEGMENTS_MAX];
	struct elf_note_segment notes[ELF_NOTES_MAX];
	struct elf_tls tls;
	// DT_RELA, DT_JMPREL (also RELA entries), DT_RELR and DT_SYMTAB.
	struct elf_table rela, jmprel, relr, symbols;
};

// For VMMs that pass only the file's address: guesses the size of the ELF file at `start` from its
// headers. `limit` bytes are readable. Returns 0 if there is no ELF header. elf_parse() checks the
// headers later.
uint64_t elf_guess_size(const uint8_t *start, uint64_t limit, const struct elf_target *target);

// Checks the file and describes it in `out`, which is valid only with STATUS_OK. Prints the refusal
// (classes 67 and 71 to 79) otherwise.
must_check enum status elf_parse(struct span file, const struct elf_target *target,
				 struct elf_image *out);

// The part of elf_parse() that reads the dynamic section, `bytes` (elf_dynamic.c). `out` has the
// segments already.
must_check enum status elf_parse_dynamic(struct span bytes, struct elf_image *out);
