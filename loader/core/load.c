// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Copies and relocates the image. Relocations are ELF64 RELA entries (gABI 4.3, chapter 6) and RELR
// tables; the types are those of struct elf_target.
#include "core/load.h"

#include "core/log.h"

enum {
	// Elf64_Rela: r_offset, r_info, r_addend. r_info has the type in its low half, the symbol's
	// index in its high half.
	RELA_SIZE = 24,
	R_INFO = 8,
	R_ADDEND = 16,
	// Elf64_Sym. st_info has the type in its low four bits, the binding above.
	SYM_SIZE = 24,
	ST_INFO = 4,
	ST_SHNDX = 6,
	ST_VALUE = 8,
	STB_WEAK = 2,
	STT_TLS = 6,
	STT_GNU_IFUNC = 10,
	SHN_UNDEF = 0,
	SHN_ABS = 0xfff1,
	RELR_BITS = 63
};

// Copies segment `i`, and zeroes the memory from its file bytes to the next segment (.bss and the
// gap): no old memory contents reach the kernel. memmove(): the file may overlap the image.
static void load_segment(const struct elf_image *image, uint32_t i, const uint8_t *file,
			 struct window to)
{
	const struct elf_segment *s = &image->segments[i];
	uint64_t start = s->vaddr - image->vaddr;
	uint64_t end = i + 1 < image->segment_count ? image->segments[i + 1].vaddr - image->vaddr
						    : image->size;
	// elf_parse() has not checked the offset of a segment without file bytes.
	if (s->filesz != 0)
		memmove(to.p + start, file + s->offset, s->filesz);
	memset(to.p + start + s->filesz, 0, end - start - s->filesz);
}

void load_segments(const struct elf_image *image, const uint8_t *file, struct window to,
		   bool backwards)
{
	for (uint32_t i = 0; i < image->segment_count; i++)
		load_segment(image, backwards ? image->segment_count - 1 - i : i, file, to);
}

// Returns the run-time value of symbol `index`. The symbol table is read from the loaded image,
// like the relocations: the file may be overwritten by now.
static enum status symbol_value(const struct elf_image *image, struct window to, uint64_t load_bias,
				uint64_t index, uint64_t *value)
{
	enum order order = elf_order(image->target);
	*value = 0;
	// gABI chapter 6: STN_UNDEF has the value 0.
	if (index == 0)
		return STATUS_OK;
	if (index >= image->symbols.size / SYM_SIZE)
		return refuse(STATUS_RELOC_SYMBOL,
			      "a relocation refers to symbol %lu, the table has %lu", index,
			      image->symbols.size / SYM_SIZE);
	const uint8_t *symbol = to.p + (image->symbols.vaddr - image->vaddr) + index * SYM_SIZE;
	const unsigned section = load_u16(symbol + ST_SHNDX, order), type = symbol[ST_INFO] & 15;
	if (section == SHN_UNDEF) {
		// An undefined weak symbol has the value 0 (gABI chapter 5, STB_WEAK).
		if (symbol[ST_INFO] >> 4 == STB_WEAK)
			return STATUS_OK;
		return refuse(STATUS_RELOC_SYMBOL,
			      "a relocation refers to symbol %lu, which is undefined", index);
	}
	if (type == STT_GNU_IFUNC || type == STT_TLS)
		return refuse(STATUS_RELOC_SYMBOL_TYPE,
			      "a relocation refers to symbol %lu of type %u (%s), whose address "
			      "only a dynamic linker knows",
			      index, type, type == STT_TLS ? "STT_TLS" : "STT_GNU_IFUNC");
	// An absolute symbol does not move (gABI chapter 5, SHN_ABS).
	*value = load_u64(symbol + ST_VALUE, order) + (section == SHN_ABS ? 0 : load_bias);
	return STATUS_OK;
}

// Checks that the 8 bytes at `address` are in the image. `to.n - 8` does not wrap
// (load_relocate()).
//
// With DT_TEXTREL the bytes must also be outside every read-only segment. That is policy: the
// loader could write there, and the kernel would start. But such a file has code that was not
// compiled to be position-independent, which no Hermit toolchain intends, and the refusal names the
// remedy.
static enum status check_relocated_word(const struct elf_image *image, struct window to,
					const char *what, uint64_t address)
{
	if (address < image->vaddr || address - image->vaddr > to.n - 8)
		return refuse(STATUS_RELOC_OUTSIDE, "%s of 8 bytes at %#lx, image %#lx..%#lx", what,
			      address, image->vaddr, image->vaddr + image->size);
	// The word overlaps the segment if its last byte, address + 7, is at 0 to memsz + 6 from
	// the segment's start. If it is below, the difference wraps to a large number.
	for (uint32_t i = 0; image->text_relocations && i < image->segment_count; i++)
		if ((image->read_only >> i & 1) != 0 &&
		    address + 7 - image->segments[i].vaddr < image->segments[i].memsz + 7)
			return refuse(STATUS_RELOC_TEXT,
				      "DT_TEXTREL: %s at %#lx in segment %u, which is read-only: "
				      "compile with -fPIE",
				      what, address, i);
	return STATUS_OK;
}

// Handles every entry that relocate_fast() does not: R_*_NONE, relocations with a symbol, unaligned
// ones, those of the other byte order, all of a file with DT_TEXTREL, and all that are refused.
// noinline keeps this function out of the hot loop's registers.
static __attribute__((noinline)) enum status relocate_slow(const struct elf_image *image,
							   struct window to, uint64_t load_bias,
							   const uint8_t *rela)
{
	enum order order = elf_order(image->target);
	uint64_t address = load_u64(rela, order);
	uint64_t info = load_u64(rela + R_INFO, order);
	uint64_t addend = load_u64(rela + R_ADDEND, order);
	uint32_t type = (uint32_t)info;
	uint64_t value = 0;

	// R_*_NONE. Linkers leave such entries in place of relocations they resolved.
	if (type == 0)
		return STATUS_OK;
	const struct elf_target *target = image->target;
	if (type != target->relative && type != target->abs64 && type != target->glob_dat &&
	    type != target->jump_slot)
		return refuse(STATUS_RELOC_TYPE, "relocation type %u at %#lx", type, address);
	TRY(check_relocated_word(image, to, "relocation", address));
	if (type == target->relative)
		value = load_bias;
	else
		TRY(symbol_value(image, to, load_bias, info >> 32, &value));
	if (type == target->relative || type == target->abs64 || target->slot_addend)
		value += addend;
	store_u64(to.p + (address - image->vaddr), value, order);
	return STATUS_OK;
}

// Parameters of relocate_fast(): relative relocations in the CPU's byte order. Static PIEs have
// thousands of them in a row.
struct relative_relocs {
	uint8_t *to;
	// Link-time address of the image's first byte.
	uint64_t image_vaddr;
	// The last offset in the image where 8 bytes fit.
	uint64_t last_offset;
	// Load bias.
	uint64_t load_bias;
	// r_info of a relative relocation; its symbol index is 0.
	uint64_t info;
};

// With -mstrict-align the compiler splits an access that may be unaligned into eight loads. Linkers
// align tables and targets to 8, so one test per entry is cheaper.
#define RELATIVE_ALIGN (STRICT_ALIGN ? 8 : 1)

static inline __attribute__((always_inline)) bool relocate_one(const struct relative_relocs *relocs,
							       const uint8_t *rela)
{
	const uint8_t *entry = __builtin_assume_aligned(rela, RELATIVE_ALIGN);
	uint64_t offset = load_u64(entry, ORDER_NATIVE) - relocs->image_vaddr;
	if (load_u64(entry + R_INFO, ORDER_NATIVE) != relocs->info ||
	    offset > relocs->last_offset || offset % RELATIVE_ALIGN != 0)
		return false;
	uint8_t *to = __builtin_assume_aligned(relocs->to + offset, RELATIVE_ALIGN);
	store_u64(to, relocs->load_bias + load_u64(entry + R_ADDEND, ORDER_NATIVE), ORDER_NATIVE);
	return true;
}

// Applies entries up to the first one that relocate_one() cannot apply. Returns that entry, or
// `end`. The loop is unrolled by four because it dominates the time of a boot. noinline leaves it
// all registers.
static __attribute__((noinline)) const uint8_t *relocate_fast(struct relative_relocs relocs,
							      const uint8_t *rela,
							      const uint8_t *end)
{
	const uint8_t *fours = rela + (end - rela) / (4 * RELA_SIZE) * (4 * RELA_SIZE);
	for (; rela != fours; rela += 4 * RELA_SIZE) {
		if (!relocate_one(&relocs, rela))
			return rela;
		if (!relocate_one(&relocs, rela + RELA_SIZE))
			return rela + RELA_SIZE;
		if (!relocate_one(&relocs, rela + 2 * RELA_SIZE))
			return rela + 2 * RELA_SIZE;
		if (!relocate_one(&relocs, rela + 3 * RELA_SIZE))
			return rela + 3 * RELA_SIZE;
	}
	while (rela != end && relocate_one(&relocs, rela))
		rela += RELA_SIZE;
	return rela;
}

static enum status relocate_rela(const struct elf_image *image, struct elf_table table,
				 struct window to, uint64_t load_bias)
{
	const struct relative_relocs relocs = { to.p, image->vaddr, to.n - 8, load_bias,
						image->target->relative };
	const uint8_t *rela = to.p + (table.vaddr - image->vaddr);
	// Only relocate_slow() checks for read-only segments.
	const bool use_fast_path = elf_order(image->target) == ORDER_NATIVE &&
				   !image->text_relocations &&
				   ((uintptr_t)rela | (uintptr_t)to.p) % RELATIVE_ALIGN == 0;
	const uint8_t *end = rela + table.size;
	while (rela != end) {
		if (use_fast_path)
			rela = relocate_fast(relocs, rela, end);
		if (rela == end)
			break;
		TRY(relocate_slow(image, to, load_bias, rela));
		rela += RELA_SIZE;
	}
	return STATUS_OK;
}

static enum status add_load_bias(const struct elf_image *image, struct window to,
				 uint64_t load_bias, uint64_t address)
{
	TRY(check_relocated_word(image, to, "relative relocation", address));
	uint8_t *p = to.p + (address - image->vaddr);
	store_u64(p, load_u64(p, elf_order(image->target)) + load_bias, elf_order(image->target));
	return STATUS_OK;
}

// RELR (gABI 4.3, chapter 6): an even entry is the address of a word to relocate. An odd entry is a
// bitmap of the next 63 words; bit 0 is its tag.
static enum status relocate_relr(const struct elf_image *image, struct window to,
				 uint64_t load_bias)
{
	// The word after the last one that an entry covered.
	uint64_t next = 0;
	for (uint64_t at = 0; at < image->relr.size; at += 8) {
		uint64_t entry = load_u64(to.p + (image->relr.vaddr - image->vaddr) + at,
					  elf_order(image->target));
		if ((entry & 1) == 0) {
			TRY(add_load_bias(image, to, load_bias, entry));
			next = entry + 8;
			continue;
		}
		for (unsigned bit = 0; bit < RELR_BITS; bit++)
			if ((entry >> (bit + 1) & 1) != 0)
				TRY(add_load_bias(image, to, load_bias, next + 8 * (uint64_t)bit));
		next += 8 * (uint64_t)RELR_BITS;
	}
	return STATUS_OK;
}

enum status load_relocate(const struct elf_image *image, struct window to, uint64_t run_address)
{
	// A table that is not empty is inside the image, which then has at least 8 bytes. So
	// `to.n - 8` in check_relocated_word() and relocate_rela() does not wrap.
	uint64_t load_bias = run_address - image->vaddr;
	if (image->relr.size != 0)
		TRY(relocate_relr(image, to, load_bias));
	if (image->rela.size != 0)
		TRY(relocate_rela(image, image->rela, to, load_bias));
	if (image->jmprel.size != 0)
		TRY(relocate_rela(image, image->jmprel, to, load_bias));
	return STATUS_OK;
}
