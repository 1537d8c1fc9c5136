// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The dynamic section (gABI 4.3, chapter 8): Elf64_Dyn entries of a tag and a value.
// docs/elf-rules.md lists every rule and the tags without effect.
#include "core/elf.h"

#include "core/log.h"

enum { DYN_SIZE = 16, RELA_SIZE = 24, RELR_SIZE = 8, SYM_SIZE = 24, DF_TEXTREL = 4 };

enum {
	DT_NULL = 0,
	DT_NEEDED = 1,
	DT_PLTRELSZ = 2,
	DT_SYMTAB = 6,
	DT_RELA = 7,
	DT_RELASZ = 8,
	DT_RELAENT = 9,
	DT_SYMENT = 11,
	DT_REL = 17,
	// The type of DT_JMPREL's entries: DT_REL or DT_RELA.
	DT_PLTREL = 20,
	DT_TEXTREL = 22,
	DT_JMPREL = 23,
	DT_FLAGS = 30,
	DT_RELRSZ = 35,
	DT_RELR = 36,
	DT_RELRENT = 37,
	// Tags from here on are not stored.
	DT_TAG_LIMIT = 38,
	// Solaris' DT_AUXILIARY, DT_USED and DT_FILTER.
	DT_FIRST_LIBRARY = 0x7ffffffd,
	DT_LAST_LIBRARY = 0x7fffffff,
};

// Tables that a dynamic linker applies to the image and this loader does not. An application whose
// table is left out starts with wrong pointers.
static const struct unsupported_table {
	uint32_t tag;
	// e_machine of the CPU that has the tag; 0: all.
	uint16_t machine;
	char name[22];
} unsupported_tables[] = {
	// CREL is not in the gABI yet. LLVM marks its tag as experimental.
	{ 38, 0, "DT_CREL" },
	{ 0x40000026, 0, "DT_CREL" },
	// bionic's packed formats.
	{ 0x6000000f, 0, "DT_ANDROID_REL" },
	{ 0x60000011, 0, "DT_ANDROID_RELA" },
	// prelink's relocations, and Solaris' table of initial data.
	{ 0x6ffffef8, 0, "DT_GNU_CONFLICT" },
	{ 0x6ffffefe, 0, "DT_MOVETAB" },
	// PAuth ABI: the words are signed, too.
	{ 0x70000012, 183, "DT_AARCH64_AUTH_RELR" },
};

// Tags of the same format under another number, from before the gABI had RELR.
static const struct alias {
	uint32_t tag;
	uint8_t means;
} aliases[] = {
	{ 0x6fffe000, DT_RELR },   // DT_ANDROID_RELR
	{ 0x6fffe001, DT_RELRSZ }, // DT_ANDROID_RELRSZ
	{ 0x6fffe003, DT_RELRENT } // DT_ANDROID_RELRENT
};

struct dynamic {
	uint64_t value[DT_TAG_LIMIT];
	// Bit i: tag i is present.
	uint64_t seen;
};

static bool has(const struct dynamic *dynamic, unsigned tag)
{
	return (dynamic->seen >> tag & 1) != 0;
}

// Returns the number of file bytes from `vaddr` to the end of its segment, 0 if no segment has it.
static uint64_t file_bytes_from(const struct elf_image *image, uint64_t vaddr)
{
	for (uint32_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];
		if (vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz)
			return s->filesz - (vaddr - s->vaddr);
	}
	return 0;
}

// Refuses the tags of libraries and of unsupported tables.
static enum status check_tag(uint64_t tag, uint64_t value, uint16_t machine)
{
	if (tag == DT_NEEDED || (tag >= DT_FIRST_LIBRARY && tag <= DT_LAST_LIBRARY))
		return refuse(STATUS_ELF_NEEDS_LIBRARY,
			      "the file needs a shared library, which a unikernel does not have");
	for (size_t i = 0; i < countof(unsupported_tables); i++) {
		const struct unsupported_table *table = &unsupported_tables[i];
		if (tag == table->tag && (table->machine == 0 || table->machine == machine))
			return refuse(STATUS_RELOC_TABLE,
				      "%s at %#lx, a table that this loader does not apply: link "
				      "without packed relocations, or with DT_RELR",
				      table->name, value);
	}
	return STATUS_OK;
}

// Returns the tag that an alias means, and every other tag unchanged.
static uint64_t without_alias(uint64_t tag)
{
	for (size_t i = 0; i < countof(aliases); i++)
		if (tag == aliases[i].tag)
			return aliases[i].means;
	return tag;
}

static enum status read_tags(struct span bytes, const struct elf_target *target,
			     struct dynamic *out)
{
	enum order order = elf_order(target);
	for (size_t at = 0; bytes.n - at >= DYN_SIZE; at += DYN_SIZE) {
		uint64_t tag = load_u64(bytes.p + at, order);
		uint64_t value = load_u64(bytes.p + at + 8, order);
		if (tag == DT_NULL)
			break;
		TRY(check_tag(tag, value, target->machine));
		tag = without_alias(tag);
		if (tag >= DT_TAG_LIMIT)
			continue;
		out->value[tag] = value;
		out->seen |= UINT64_C(1) << tag;
	}
	return STATUS_OK;
}

// Reads a table. Its size must be present, and its bytes must be in the file: a table in .bss would
// be all zeros.
static enum status read_table(const struct dynamic *dynamic, const char *name, unsigned tag,
			      unsigned size_tag, uint64_t entry_size, const struct elf_image *image,
			      struct elf_table *out)
{
	*out = (struct elf_table){ dynamic->value[tag], dynamic->value[size_tag] };
	if (has(dynamic, tag) && !has(dynamic, size_tag))
		return refuse(STATUS_ELF_DYNAMIC_ENTRY, "%s has no size", name);
	if (out->size != 0 && !has(dynamic, tag))
		return refuse(STATUS_ELF_DYNAMIC_ENTRY, "%s has %#lx bytes and no address", name,
			      out->size);
	if (out->size % entry_size != 0)
		return refuse(STATUS_ELF_DYNAMIC_ENTRY, "%s has %#lx bytes, not a multiple of %lu",
			      name, out->size, entry_size);
	if (out->size > file_bytes_from(image, out->vaddr))
		return refuse(STATUS_ELF_DYNAMIC_OUTSIDE,
			      "%s has %#lx bytes at %#lx, of which %#lx are in the file", name,
			      out->size, out->vaddr, file_bytes_from(image, out->vaddr));
	return STATUS_OK;
}

// DT_*ENT may be absent: then `size` is 0.
static enum status check_entry_size(const char *name, uint64_t size, uint64_t needed)
{
	if (size != 0 && size != needed)
		return refuse(STATUS_ELF_DYNAMIC_ENTRY, "%s is %lu, expected %lu", name, size,
			      needed);
	return STATUS_OK;
}

static enum status check_formats(const uint64_t value[DT_TAG_LIMIT])
{
	if (value[DT_REL] != 0)
		return refuse(STATUS_RELOC_REL, "DT_REL at %#lx, Hermit uses DT_RELA",
			      value[DT_REL]);
	if (value[DT_PLTREL] == DT_REL)
		return refuse(STATUS_RELOC_REL,
			      "DT_PLTREL is %lu (DT_REL), Hermit uses %u (DT_RELA)",
			      value[DT_PLTREL], (unsigned)DT_RELA);
	TRY(check_entry_size("DT_RELAENT", value[DT_RELAENT], RELA_SIZE));
	TRY(check_entry_size("DT_RELRENT", value[DT_RELRENT], RELR_SIZE));
	return check_entry_size("DT_SYMENT", value[DT_SYMENT], SYM_SIZE);
}

enum status elf_parse_dynamic(struct span bytes, struct elf_image *out)
{
	struct dynamic dynamic = { 0 };
	TRY(read_tags(bytes, out->target, &dynamic));
	TRY(check_formats(dynamic.value));
	out->text_relocations = has(&dynamic, DT_TEXTREL) ||
				(dynamic.value[DT_FLAGS] & DF_TEXTREL) != 0;
	// Only DT_HASH gives the number of symbols (nchain), and linkers may omit it for
	// DT_GNU_HASH. The table ends with the file bytes of its segment at the latest.
	out->symbols = (struct elf_table){ dynamic.value[DT_SYMTAB], 0 };
	if (out->symbols.vaddr != 0)
		out->symbols.size = file_bytes_from(out, out->symbols.vaddr);
	TRY(read_table(&dynamic, "DT_RELA", DT_RELA, DT_RELASZ, RELA_SIZE, out, &out->rela));
	TRY(read_table(&dynamic, "DT_JMPREL", DT_JMPREL, DT_PLTRELSZ, RELA_SIZE, out,
		       &out->jmprel));
	return read_table(&dynamic, "DT_RELR", DT_RELR, DT_RELRSZ, RELR_SIZE, out, &out->relr);
}
