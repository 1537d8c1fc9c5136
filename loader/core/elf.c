// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The ELF header and the program headers (gABI 4.3, chapters 2 and 7). Fields are read by their
// offsets: a C structure would always have the host's byte order. Checks precede the first use of
// each value.
#include "core/elf.h"

#include "core/log.h"

enum {
	EHDR_SIZE = 64,
	PHDR_SIZE = 56,
	ET_EXEC = 2,
	ET_DYN = 3,
	PT_LOAD = 1,
	PT_DYNAMIC = 2,
	PT_NOTE = 4,
	PT_TLS = 7,
	PF_X = 1,
	PF_W = 2,
	// The number of program headers is in a section header instead. Hermit has no such files.
	PN_XNUM = 0xffff,
};

// e_machine and relocation types of the psABIs of x86-64, AArch64 and RISC-V.
const struct elf_target elf_target_x86_64 = { .machine = 62,
					      .order = ORDER_LITTLE,
					      .relative = 8,
					      .abs64 = 1,
					      .glob_dat = 6,
					      .jump_slot = 7 };
const struct elf_target elf_target_aarch64 = { .machine = 183,
					       .order = ORDER_LITTLE,
					       .relative = 1027,
					       .abs64 = 257,
					       .glob_dat = 1025,
					       .jump_slot = 1026,
					       .slot_addend = true };
const struct elf_target elf_target_aarch64_be = { .machine = 183,
						  .order = ORDER_BIG,
						  .relative = 1027,
						  .abs64 = 257,
						  .glob_dat = 1025,
						  .jump_slot = 1026,
						  .slot_addend = true };
const struct elf_target elf_target_riscv64 = {
	.machine = 243, .order = ORDER_LITTLE, .relative = 3, .abs64 = 2, .jump_slot = 5
};

// Offsets in e_ident, Elf64_Ehdr and Elf64_Phdr.
enum {
	EI_CLASS = 4,
	EI_DATA = 5,
	EI_VERSION = 6,
	E_TYPE = 16,
	E_MACHINE = 18,
	E_ENTRY = 24,
	E_PHOFF = 32,
	E_SHOFF = 40,
	E_EHSIZE = 52,
	E_PHENTSIZE = 54,
	E_PHNUM = 56,
	E_SHENTSIZE = 58,
	E_SHNUM = 60,
	P_TYPE = 0,
	P_FLAGS = 4,
	P_OFFSET = 8,
	P_VADDR = 16,
	P_FILESZ = 32,
	P_MEMSZ = 40,
	P_ALIGN = 48,
};

struct phdr {
	uint32_t type, flags;
	uint64_t offset, vaddr, filesz, memsz, align;
};

uint64_t elf_guess_size(const uint8_t *p, uint64_t limit, const struct elf_target *target)
{
	// Nothing has been checked yet, so every sum is written so that it cannot overflow.
	const enum order order = target->order;
	if (limit < EHDR_SIZE || memcmp(p, ELF_MAGIC, 4) != 0)
		return 0;
	uint64_t end = EHDR_SIZE, phoff = load_u64(p + E_PHOFF, order),
		 shoff = load_u64(p + E_SHOFF, order);
	uint64_t shdrs = (uint64_t)load_u16(p + E_SHENTSIZE, order) * load_u16(p + E_SHNUM, order);
	const uint64_t phnum = load_u16(p + E_PHNUM, order);
	if (shdrs != 0 && shoff < limit && shdrs <= limit - shoff)
		end = shoff + shdrs;
	for (uint64_t i = 0; i < phnum && phoff < limit && (i + 1) * PHDR_SIZE <= limit - phoff;
	     i++) {
		const uint8_t *phdr = p + phoff + i * PHDR_SIZE;
		uint64_t segment_end, offset = load_u64(phdr + P_OFFSET, order);
		if (phoff + (i + 1) * PHDR_SIZE > end)
			end = phoff + (i + 1) * PHDR_SIZE;
		if (!add_overflows(offset, load_u64(phdr + P_FILESZ, order), &segment_end) &&
		    segment_end > end && segment_end <= limit)
			end = segment_end;
	}
	return end;
}

static enum status parse_ident(struct span file, const struct elf_target *target)
{
	if (file.n < EHDR_SIZE)
		return refuse(STATUS_ELF_HEADER_BEYOND_FILE,
			      "the ELF header has 64 bytes, the file %#lx", file.n);
	if (file.p[EI_CLASS] != 2)
		return refuse(STATUS_ELF_NOT_64_BIT, "ELF class is %u, expected 2 (64-bit)",
			      file.p[EI_CLASS]);
	if (file.p[EI_DATA] != (target->order == ORDER_BIG ? 2 : 1))
		return refuse(STATUS_ELF_WRONG_BYTE_ORDER, "ELF byte order is %u, expected %u",
			      file.p[EI_DATA], target->order == ORDER_BIG ? 2U : 1U);
	if (file.p[EI_VERSION] != 1)
		return refuse(STATUS_ELF_WRONG_VERSION, "ELF version is %u, expected 1",
			      file.p[EI_VERSION]);
	return STATUS_OK;
}

static enum status parse_header(struct span file, const struct elf_target *target,
				struct elf_image *out, struct span *phdrs)
{
	TRY(parse_ident(file, target));
	enum order order = elf_order(target);
	uint32_t type = load_u16(file.p + E_TYPE, order);
	uint32_t machine = load_u16(file.p + E_MACHINE, order);
	uint64_t phoff = load_u64(file.p + E_PHOFF, order);
	uint32_t ehsize = load_u16(file.p + E_EHSIZE, order);
	uint32_t phentsize = load_u16(file.p + E_PHENTSIZE, order);
	uint32_t phnum = load_u16(file.p + E_PHNUM, order);

	if (machine != target->machine)
		return refuse(STATUS_ELF_WRONG_MACHINE,
			      "the file is for ELF machine %u, this loader for %u", machine,
			      target->machine);
	if (type != ET_EXEC && type != ET_DYN)
		return refuse(STATUS_ELF_WRONG_TYPE,
			      "ELF type is %u, expected 2 (ET_EXEC) or 3 (ET_DYN)", type);
	if (ehsize != EHDR_SIZE)
		return refuse(STATUS_ELF_HEADER_SIZE, "e_ehsize is %u, expected 64", ehsize);
	if (phnum == 0 || phnum == PN_XNUM)
		return refuse(STATUS_ELF_NO_SEGMENTS, "e_phnum is %u", phnum);
	if (phentsize != PHDR_SIZE)
		return refuse(STATUS_ELF_PHDR_SIZE, "e_phentsize is %u, expected 56", phentsize);
	if (!span_sub(file, phoff, (uint64_t)phnum * PHDR_SIZE, phdrs))
		return refuse(STATUS_ELF_PHDRS_BEYOND_FILE,
			      "%u program headers at %#lx, the file has %#lx bytes", phnum, phoff,
			      file.n);

	out->file = file;
	out->target = target;
	out->dyn = type == ET_DYN;
	out->entry = load_u64(file.p + E_ENTRY, order);
	return STATUS_OK;
}

static struct phdr read_phdr(const uint8_t *p, enum order order)
{
	return (struct phdr){
		.type = load_u32(p + P_TYPE, order),
		.flags = load_u32(p + P_FLAGS, order),
		.offset = load_u64(p + P_OFFSET, order),
		.vaddr = load_u64(p + P_VADDR, order),
		.filesz = load_u64(p + P_FILESZ, order),
		.memsz = load_u64(p + P_MEMSZ, order),
		.align = load_u64(p + P_ALIGN, order),
	};
}

// gABI chapter 7: p_align 0 and 1 mean no alignment.
static enum status check_align(const struct phdr *ph, struct elf_image *out)
{
	if (ph->align > 1 && !is_power_of_two(ph->align))
		return refuse(STATUS_ELF_SEGMENT_ALIGN,
			      "alignment %#lx of the segment at %#lx is not a power of two",
			      ph->align, ph->vaddr);
	if (ph->align > out->align)
		out->align = ph->align;
	return STATUS_OK;
}

// Where e_entry is: in no executable segment, in one but past its file bytes, or in file bytes.
enum entry_place { ENTRY_OUTSIDE, ENTRY_WITHOUT_BYTES, ENTRY_FOUND };

// Adds a PT_LOAD, and sets `entry` if e_entry is in the segment. p_vaddr must ascend (gABI chapter
// 7): placement and relocation rely on this order.
static enum status add_load(const struct phdr *ph, struct elf_image *out, enum entry_place *entry)
{
	struct span bytes;
	uint64_t end;
	if (ph->filesz > ph->memsz)
		return refuse(STATUS_ELF_SEGMENT_SIZE,
			      "the segment at %#lx has %#lx bytes in the file, %#lx in memory",
			      ph->vaddr, ph->filesz, ph->memsz);
	// Linkers emit empty segments; they have nothing to load.
	if (ph->memsz == 0)
		return STATUS_OK;
	if (out->segment_count == ELF_SEGMENTS_MAX)
		return refuse(STATUS_ELF_TOO_MANY_SEGMENTS, "more than %u PT_LOAD",
			      ELF_SEGMENTS_MAX);
	if (add_overflows(ph->vaddr, ph->memsz, &end))
		return refuse(STATUS_ELF_ADDRESS_OVERFLOW, "segment at %#lx with %#lx bytes",
			      ph->vaddr, ph->memsz);
	if (ph->filesz != 0 && !span_sub(out->file, ph->offset, ph->filesz, &bytes))
		return refuse(STATUS_ELF_SEGMENT_BEYOND_FILE,
			      "segment %u has %#lx bytes at %#lx, the file has %#lx bytes",
			      out->segment_count, ph->filesz, ph->offset, out->file.n);
	TRY(check_align(ph, out));
	if (out->segment_count == 0)
		out->vaddr = ph->vaddr;
	else if (ph->vaddr < out->vaddr + out->size)
		return refuse(STATUS_ELF_SEGMENT_ORDER,
			      "segment %u begins at %#lx, the previous one ends at %#lx",
			      out->segment_count, ph->vaddr, out->vaddr + out->size);
	out->size = end - out->vaddr;
	if ((ph->flags & PF_X) != 0 && out->entry >= ph->vaddr && out->entry < end)
		*entry = out->entry - ph->vaddr < ph->filesz ? ENTRY_FOUND : ENTRY_WITHOUT_BYTES;
	if ((ph->flags & PF_W) == 0)
		out->read_only |= UINT64_C(1) << out->segment_count;
	out->segments[out->segment_count++] = (struct elf_segment){
		.offset = ph->offset, .filesz = ph->filesz, .vaddr = ph->vaddr, .memsz = ph->memsz
	};
	return STATUS_OK;
}

// Adds a PT_NOTE. Notes are padded to 8 only with a p_align of 8 (.note.gnu.property), else to 4.
static enum status add_note(const struct phdr *ph, struct elf_image *out)
{
	struct elf_note_segment note = { .align = ph->align == 8 ? 8 : 4 };
	if (out->note_count == ELF_NOTES_MAX)
		return refuse(STATUS_ELF_TOO_MANY_SEGMENTS, "more than %u PT_NOTE", ELF_NOTES_MAX);
	if (!span_sub(out->file, ph->offset, ph->filesz, &note.bytes))
		return refuse(STATUS_ELF_SEGMENT_BEYOND_FILE,
			      "PT_NOTE has %#lx bytes at %#lx, the file has %#lx bytes", ph->filesz,
			      ph->offset, out->file.n);
	out->notes[out->note_count++] = note;
	return STATUS_OK;
}

static enum status add_tls(const struct phdr *ph, struct elf_image *out)
{
	if (ph->filesz > ph->memsz)
		return refuse(STATUS_ELF_SEGMENT_SIZE,
			      "the TLS template at %#lx has %#lx bytes in the file, %#lx in memory",
			      ph->vaddr, ph->filesz, ph->memsz);
	out->tls = (struct elf_tls){
		.vaddr = ph->vaddr, .filesz = ph->filesz, .memsz = ph->memsz, .align = ph->align
	};
	return check_align(ph, out);
}

// Returns true if [vaddr, vaddr + size) is inside the image. Compares differences, since the sum
// may overflow. If `vaddr` is below the image, `offset` has no meaning, and the first test fails.
static bool in_image(const struct elf_image *image, uint64_t vaddr, uint64_t size)
{
	uint64_t offset = vaddr - image->vaddr;
	return vaddr >= image->vaddr && offset <= image->size && size <= image->size - offset;
}

static enum status parse_phdrs(struct span phdrs, struct elf_image *out, struct phdr *dynamic)
{
	enum entry_place entry = ENTRY_OUTSIDE;
	for (size_t at = 0; at < phdrs.n; at += PHDR_SIZE) {
		struct phdr ph = read_phdr(phdrs.p + at, elf_order(out->target));
		switch (ph.type) {
		case PT_LOAD:
			TRY(add_load(&ph, out, &entry));
			break;
		case PT_NOTE:
			TRY(add_note(&ph, out));
			break;
		case PT_TLS:
			TRY(add_tls(&ph, out));
			break;
		case PT_DYNAMIC:
			*dynamic = ph;
			break;
		default:
			break;
		}
	}
	if (out->segment_count == 0)
		return refuse(STATUS_ELF_NO_SEGMENTS,
			      "none of %lu program headers is a PT_LOAD with a size",
			      phdrs.n / PHDR_SIZE);
	if (entry == ENTRY_OUTSIDE)
		return refuse(STATUS_ELF_ENTRY_OUTSIDE,
			      "entry point %#lx is in no executable segment of %#lx..%#lx",
			      out->entry, out->vaddr, out->vaddr + out->size);
	// objcopy --only-keep-debug keeps the program headers and drops the bytes.
	if (entry == ENTRY_WITHOUT_BYTES)
		return refuse(STATUS_ELF_ENTRY_WITHOUT_BYTES,
			      "the file has no bytes for entry point %#lx, as a file of debug "
			      "information: boot the application that it belongs to",
			      out->entry);
	return STATUS_OK;
}

enum status elf_parse(struct span file, const struct elf_target *target, struct elf_image *out)
{
	struct span phdrs = { 0 }, bytes;
	struct phdr dynamic = { 0 };
	// Not `*out = { 0 }`: that would also clear 2 KiB of arrays, whose counts are 0.
	out->segment_count = 0;
	out->note_count = 0;
	out->size = 0;
	out->align = 1;
	out->read_only = 0;
	out->text_relocations = false;
	out->tls = (struct elf_tls){ 0 };
	out->rela = out->jmprel = out->relr = out->symbols = (struct elf_table){ 0 };

	TRY(parse_header(file, target, out, &phdrs));
	TRY(parse_phdrs(phdrs, out, &dynamic));
	// PT_TLS may precede the PT_LOAD that contains it, so it is checked after the loop.
	if (out->tls.memsz != 0 && !in_image(out, out->tls.vaddr, out->tls.filesz))
		return refuse(STATUS_ELF_TLS_OUTSIDE, "TLS template %#lx..%#lx, image %#lx..%#lx",
			      out->tls.vaddr, out->tls.vaddr + out->tls.filesz, out->vaddr,
			      out->vaddr + out->size);
	if (dynamic.type != PT_DYNAMIC)
		return STATUS_OK;
	if (!span_sub(file, dynamic.offset, dynamic.filesz, &bytes))
		return refuse(STATUS_ELF_DYNAMIC_OUTSIDE,
			      "PT_DYNAMIC has %#lx bytes at %#lx, the file has %#lx bytes",
			      dynamic.filesz, dynamic.offset, file.n);
	return elf_parse_dynamic(bytes, out);
}
