// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/load.h"

#include "core/log.h"

enum { RELA_SIZE = 24, SYM_SIZE = 24, STB_WEAK = 2, RELR_BITS = 63 };

// Copies segment `i` and zeroes what lies between its file bytes and the next segment.
static void load_segment(const struct elf_image *image, uint32_t i, const uint8_t *file,
			 struct window to)
{
	const struct elf_segment *s = &image->segments[i];
	uint64_t start = s->vaddr - image->vaddr;
	uint64_t end = i + 1 < image->segment_count ? image->segments[i + 1].vaddr - image->vaddr
						    : image->size;
	memmove(to.p + start, file + s->offset, s->filesz);
	memset(to.p + start + s->filesz, 0, end - start - s->filesz);
}

void load_segments(const struct elf_image *image, const uint8_t *file, struct window to,
		   bool backwards)
{
	for (uint32_t i = 0; i < image->segment_count; i++)
		load_segment(image, backwards ? image->segment_count - 1 - i : i, file, to);
}

// The value of symbol `index`, as an address at run time.
static enum status symbol_value(const struct elf_image *image, struct window to, uint64_t delta,
				uint64_t index, uint64_t *value)
{
	enum order order = elf_order(image->target);
	if (index >= image->symbols.size / SYM_SIZE)
		return refuse(STATUS_RELOC_SYMBOL,
			      "a relocation names symbol %lu, the table has %lu", index,
			      image->symbols.size / SYM_SIZE);
	const uint8_t *symbol = to.p + (image->symbols.vaddr - image->vaddr) + index * SYM_SIZE;
	if (load_u16(symbol + 6, order) != 0) {
		*value = delta + load_u64(symbol + 8, order);
		return STATUS_OK;
	}
	if (symbol[4] >> 4 != STB_WEAK)
		return refuse(STATUS_RELOC_SYMBOL,
			      "a relocation names symbol %lu, which is undefined", index);
	*value = 0;
	return STATUS_OK;
}

// Every entry that is not the common one: a relocation with a symbol, one outside the image, one
// that is unknown.
static __attribute__((noinline)) enum status relocate_slow(const struct elf_image *image,
							   struct window to, uint64_t delta,
							   const uint8_t *rela)
{
	enum order order = elf_order(image->target);
	uint64_t address = load_u64(rela, order);
	uint64_t info = load_u64(rela + 8, order);
	uint64_t addend = load_u64(rela + 16, order);
	uint32_t type = (uint32_t)info;
	uint64_t value = 0;

	if (type == 0)
		return STATUS_OK;
	const struct elf_target *target = image->target;
	if (type != target->relative && type != target->abs64 && type != target->glob_dat &&
	    type != target->jump_slot)
		return refuse(STATUS_RELOC_TYPE, "relocation type %u at %#lx", type, address);
	if (address < image->vaddr || address - image->vaddr > to.n - 8)
		return refuse(STATUS_RELOC_OUTSIDE,
			      "relocation of 8 bytes at %#lx, image %#lx..%#lx", address,
			      image->vaddr, image->vaddr + image->size);
	if (type == target->relative) {
		value = delta + addend;
	} else {
		TRY(symbol_value(image, to, delta, info >> 32, &value));
		if (value != 0)
			value += addend;
	}
	store_u64(to.p + (address - image->vaddr), value, order);
	return STATUS_OK;
}

// Relative relocations in the CPU's own byte order: thousands, one after the other.
struct relative_relocs {
	uint8_t *to;
	// r_offset of the image's first byte; the last offset from there at which 8 bytes fit
	uint64_t first, last;
	uint64_t delta;
	uint64_t info; // r_info of a relative relocation: the symbol is 0
};

// Where eight loads stand for an unaligned one, tables and targets at multiples of 8 (all that
// linkers write) are worth a test.
#define RELATIVE_ALIGN (STRICT_ALIGN ? 8 : 1)

static inline __attribute__((always_inline)) bool relocate_one(const struct relative_relocs *relocs,
							       const uint8_t *rela)
{
	const uint8_t *entry = __builtin_assume_aligned(rela, RELATIVE_ALIGN);
	uint64_t offset = load_u64(entry, ORDER_NATIVE) - relocs->first;
	if (load_u64(entry + 8, ORDER_NATIVE) != relocs->info || offset > relocs->last ||
	    offset % RELATIVE_ALIGN != 0)
		return false;
	uint8_t *to = __builtin_assume_aligned(relocs->to + offset, RELATIVE_ALIGN);
	store_u64(to, relocs->delta + load_u64(entry + 16, ORDER_NATIVE), ORDER_NATIVE);
	return true;
}

// Relocates until an entry is not of this kind, and returns that entry, or `end`. What a boot
// spends on relocation is spent here.
static const uint8_t *relocate_fast(struct relative_relocs relocs, const uint8_t *rela,
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
				 struct window to, uint64_t delta)
{
	const struct relative_relocs relocs = { to.p, image->vaddr, to.n - 8, delta,
						image->target->relative };
	const uint8_t *rela = to.p + (table.vaddr - image->vaddr);
	const bool native = elf_order(image->target) == ORDER_NATIVE &&
			    ((uintptr_t)rela | (uintptr_t)to.p) % RELATIVE_ALIGN == 0;
	const uint8_t *end = rela + table.size;
	while (rela != end) {
		if (native)
			rela = relocate_fast(relocs, rela, end);
		if (rela == end)
			break;
		TRY(relocate_slow(image, to, delta, rela));
		rela += RELA_SIZE;
	}
	return STATUS_OK;
}

static enum status add_delta(const struct elf_image *image, struct window to, uint64_t delta,
			     uint64_t address)
{
	if (address < image->vaddr || address - image->vaddr > to.n - 8)
		return refuse(STATUS_RELOC_OUTSIDE,
			      "relative relocation of 8 bytes at %#lx, image %#lx..%#lx", address,
			      image->vaddr, image->vaddr + image->size);
	uint8_t *p = to.p + (address - image->vaddr);
	store_u64(p, load_u64(p, elf_order(image->target)) + delta, elf_order(image->target));
	return STATUS_OK;
}

// gABI 4.3: an even entry is an address; an odd one is a bitmap of the 63 words that follow.
static enum status relocate_relr(const struct elf_image *image, struct window to, uint64_t delta)
{
	uint64_t next = 0;
	for (uint64_t at = 0; at < image->relr.size; at += 8) {
		uint64_t entry = load_u64(to.p + (image->relr.vaddr - image->vaddr) + at,
					  elf_order(image->target));
		if ((entry & 1) == 0) {
			TRY(add_delta(image, to, delta, entry));
			next = entry + 8;
			continue;
		}
		for (unsigned bit = 0; bit < RELR_BITS; bit++)
			if ((entry >> (bit + 1) & 1) != 0)
				TRY(add_delta(image, to, delta, next + 8 * (uint64_t)bit));
		next += 8 * (uint64_t)RELR_BITS;
	}
	return STATUS_OK;
}

enum status load_relocate(const struct elf_image *image, struct window to, uint64_t run_address)
{
	// A table is at least one entry long and lies in the image, so that the image has at least
	// 8 bytes: `to.n - 8` does not wrap.
	uint64_t delta = run_address - image->vaddr;
	if (image->relr.size != 0)
		TRY(relocate_relr(image, to, delta));
	if (image->rela.size != 0)
		TRY(relocate_rela(image, image->rela, to, delta));
	if (image->plt.size != 0)
		TRY(relocate_rela(image, image->plt, to, delta));
	return STATUS_OK;
}
