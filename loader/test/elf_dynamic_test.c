// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The dynamic section, as elf_test.c.
#include "test/elf_cases.h"

static struct elf_image image;

CHANGE(dynamic_beyond_file, s->phdr[SEGMENT_DYNAMIC].offset = 0x600 - 143)
CHANGE(dynamic_overflow, s->phdr[SEGMENT_DYNAMIC].filesz = UINT64_MAX)
CHANGE(needed, s->dyn[DYN_SYMENT] = (struct elf_dyn){ 1, 1 })
CHANGE(needed_fixed, s->type = ET_EXEC; s->dyn[DYN_SYMENT] = (struct elf_dyn){ 1, 1 })
CHANGE(needed_after_null, s->dyn[DYN_NULL + 1] = (struct elf_dyn){ 1, 1 }; s->dyn_count++;
       s->phdr[SEGMENT_DYNAMIC].filesz += 16)
CHANGE(no_null, s->phdr[SEGMENT_DYNAMIC].filesz -= 16)
CHANGE(half_an_entry, s->phdr[SEGMENT_DYNAMIC].filesz -= 1)
CHANGE(rel, s->dyn[DYN_SYMENT] = (struct elf_dyn){ 17, 0x2b0 })
CHANGE(rel_fixed, s->type = ET_EXEC; s->dyn[DYN_SYMENT] = (struct elf_dyn){ 17, 0x2b0 })
CHANGE(used, s->dyn[DYN_SYMENT] = (struct elf_dyn){ 0x7ffffffe, 1 })
CHANGE(auxiliary, s->dyn[DYN_SYMENT] = (struct elf_dyn){ 0x7ffffffd, 1 })
CHANGE(rela_without_size, s->dyn[DYN_RELASZ].tag = 0x6ffffef5)
CHANGE(rela_without_address, s->dyn[DYN_RELA].tag = 0x6ffffef5)
CHANGE(relr_without_size, s->dyn[DYN_RELRSZ].tag = 0x6ffffef5)
CHANGE(relaent, s->dyn[DYN_RELAENT].value = 16)
CHANGE(relrent, s->dyn[DYN_RELRENT].value = 4)
CHANGE(syment, s->dyn[DYN_SYMENT].value = 16)
CHANGE(relaent_none, s->dyn[DYN_RELAENT].tag = 0x6ffffef5)
CHANGE(relasz_odd, s->dyn[DYN_RELASZ].value = 5 * 24 + 1)
CHANGE(relrsz_odd, s->dyn[DYN_RELRSZ].value = 3 * 8 - 1)

static void dynamic_table(void)
{
	RUN({ STATUS_ELF_DYNAMIC_OUTSIDE,
	      "77 elf-dynamic-outside: PT_DYNAMIC has 0x90 bytes at 0x571, the file has 0x600 "
	      "bytes",
	      dynamic_beyond_file },
	    { STATUS_ELF_DYNAMIC_OUTSIDE,
	      "77 elf-dynamic-outside: PT_DYNAMIC has 0xffffffffffffffff bytes at 0x210, the file "
	      "has 0x600 bytes",
	      dynamic_overflow },
	    { STATUS_ELF_NEEDS_LIBRARY,
	      "75 elf-needs-library: the file needs a shared library, which a unikernel does not "
	      "have",
	      needed },
	    { STATUS_ELF_NEEDS_LIBRARY,
	      "75 elf-needs-library: the file needs a shared library, which a unikernel does not "
	      "have",
	      needed_fixed },
	    { STATUS_ELF_NEEDS_LIBRARY,
	      "75 elf-needs-library: the file needs a shared library, which a unikernel does not "
	      "have",
	      used },
	    { STATUS_ELF_NEEDS_LIBRARY,
	      "75 elf-needs-library: the file needs a shared library, which a unikernel does not "
	      "have",
	      auxiliary },
	    { STATUS_OK, NULL, needed_after_null }, { STATUS_OK, NULL, no_null },
	    { STATUS_OK, NULL, half_an_entry },
	    { STATUS_RELOC_REL, "79 reloc-rel: DT_REL at 0x2b0, Hermit uses DT_RELA", rel },
	    { STATUS_RELOC_REL, "79 reloc-rel: DT_REL at 0x2b0, Hermit uses DT_RELA", rel_fixed },
	    { STATUS_ELF_DYNAMIC_ENTRY, "77 elf-dynamic-entry: DT_RELA has no size",
	      rela_without_size },
	    { STATUS_ELF_DYNAMIC_ENTRY,
	      "77 elf-dynamic-entry: DT_RELA has 0x78 bytes and no address", rela_without_address },
	    { STATUS_ELF_DYNAMIC_ENTRY, "77 elf-dynamic-entry: DT_RELR has no size",
	      relr_without_size },
	    { STATUS_ELF_DYNAMIC_ENTRY, "77 elf-dynamic-entry: DT_RELAENT is 16, expected 24",
	      relaent },
	    { STATUS_ELF_DYNAMIC_ENTRY, "77 elf-dynamic-entry: DT_RELRENT is 4, expected 8",
	      relrent },
	    { STATUS_ELF_DYNAMIC_ENTRY, "77 elf-dynamic-entry: DT_SYMENT is 16, expected 24",
	      syment },
	    { STATUS_OK, NULL, relaent_none },
	    { STATUS_ELF_DYNAMIC_ENTRY,
	      "77 elf-dynamic-entry: DT_RELA has 0x79 bytes, not a multiple of 24", relasz_odd },
	    { STATUS_ELF_DYNAMIC_ENTRY,
	      "77 elf-dynamic-entry: DT_RELR has 0x17 bytes, not a multiple of 8", relrsz_odd });
}

// A tag of a table that is not applied is refused by its name, and harmless on another CPU.
static void tables_in_other_formats(void)
{
	static const struct {
		uint64_t tag;
		uint16_t machine;
		const char *name;
	} tables[] = {
		{ 38, 0, "DT_CREL" },
		{ 0x40000026, 0, "DT_CREL" },
		{ 0x6000000f, 0, "DT_ANDROID_REL" },
		{ 0x60000011, 0, "DT_ANDROID_RELA" },
		{ 0x6ffffef8, 0, "DT_GNU_CONFLICT" },
		{ 0x6ffffefe, 0, "DT_MOVETAB" },
		{ 0x70000012, 183, "DT_AARCH64_AUTH_RELR" },
	};
	for (size_t i = 0; i < countof(tables); i++) {
		struct elf_spec spec = elf_default();
		char text[200];
		snprintf(text, sizeof text,
			 "79 reloc-table: %s at 0x1234, a table that this loader does not apply: "
			 "link without packed relocations, or with DT_RELR",
			 tables[i].name);
		console_open();
		test_case("%s", tables[i].name);
		spec.dyn[DYN_SYMENT] = (struct elf_dyn){ tables[i].tag, 0x1234 };
		if (tables[i].machine != 0)
			CHECK_EQ(elf_parse_spec(&spec, &image), STATUS_OK);
		uint16_t machine = tables[i].machine != 0 ? tables[i].machine : 62;
		spec.machine = machine;
		uint8_t *file = elf_write(&spec);
		enum status status = elf_parse(
			(struct span){ file, spec.size },
			machine == 62 ? &elf_target_x86_64 : &elf_target_aarch64, &image);
		free(file);
		check_refused(status, STATUS_RELOC_TABLE, text, __FILE__, __LINE__);
	}
}

static void androids_relr(void)
{
	struct elf_spec spec = elf_default();
	spec.dyn[DYN_RELR].tag = 0x6fffe000;
	spec.dyn[DYN_RELRSZ].tag = 0x6fffe001;
	spec.dyn[DYN_RELRENT].tag = 0x6fffe003;
	console_open();
	CHECK_EQ(elf_parse_spec(&spec, &image), STATUS_OK);
	CHECK_EQ(image.relr.vaddr, AT_RELR);
	CHECK_EQ(image.relr.size, 24);
	spec.dyn[DYN_RELRENT].value = 4;
	CHECK_REFUSED(elf_parse_spec(&spec, &image), ELF_DYNAMIC_ENTRY,
		      "77 elf-dynamic-entry: DT_RELRENT is 4, expected 8");
}

static void with_plt(struct elf_spec *s, size_t entry, uint64_t value)
{
	elf_add_plt(s);
	if (entry != 0)
		s->dyn[entry].value = value;
}

CHANGE(plt, with_plt(s, 0, 0))
CHANGE(plt_rel, with_plt(s, DYN_PLTREL, 17))
CHANGE(plt_odd, with_plt(s, DYN_PLTRELSZ, 25))
CHANGE(plt_outside, with_plt(s, DYN_JMPREL, 0x21d1))
CHANGE(plt_fixed, with_plt(s, DYN_JMPREL, 1); s->type = ET_EXEC)

static void table_of_jump_slots(void)
{
	RUN({ STATUS_OK, NULL, plt }, { STATUS_OK, NULL, plt_fixed },
	    { STATUS_RELOC_REL, "79 reloc-rel: DT_PLTREL is 17 (DT_REL), Hermit uses 7 (DT_RELA)",
	      plt_rel },
	    { STATUS_ELF_DYNAMIC_ENTRY,
	      "77 elf-dynamic-entry: DT_JMPREL has 0x19 bytes, not a multiple of 24", plt_odd },
	    { STATUS_ELF_DYNAMIC_OUTSIDE,
	      "77 elf-dynamic-outside: DT_JMPREL has 0x30 bytes at 0x21d1, of which 0x2f are in "
	      "the file",
	      plt_outside });
}

CHANGE(rela_to_end, s->dyn[DYN_RELA].value = 0x2000 + 0x200 - 5 * 24)
CHANGE(rela_beyond_bytes, s->dyn[DYN_RELA].value = 0x2000 + 0x200 - 5 * 24 + 1)
CHANGE(rela_in_zeroes, s->dyn[DYN_RELA].value = 0x2200)
CHANGE(rela_in_gap, s->dyn[DYN_RELA].value = 0x800)
CHANGE(rela_across, s->dyn[DYN_RELASZ].value = 0x180)
CHANGE(rela_overflow, s->dyn[DYN_RELASZ].value = UINT64_MAX - 15)
CHANGE(rela_high, s->dyn[DYN_RELA].value = UINT64_MAX)
CHANGE(rela_none, s->dyn[DYN_RELASZ].value = 0; s->dyn[DYN_RELA].value = UINT64_MAX)
CHANGE(relr_outside, s->dyn[DYN_RELR].value = 0x3a0 - 0x10)
CHANGE(symbols_outside, s->dyn[DYN_SYMTAB].value = 0x800)

static void tables_lie_in_file_bytes(void)
{
	RUN({ STATUS_OK, NULL, rela_to_end }, { STATUS_OK, NULL, rela_none },
	    { STATUS_OK, NULL, symbols_outside },
	    { STATUS_ELF_DYNAMIC_OUTSIDE,
	      "77 elf-dynamic-outside: DT_RELA has 0x78 bytes at 0x2189, of which 0x77 are in the "
	      "file",
	      rela_beyond_bytes },
	    { STATUS_ELF_DYNAMIC_OUTSIDE,
	      "77 elf-dynamic-outside: DT_RELA has 0x78 bytes at 0x2200, of which 0x0 are in the "
	      "file",
	      rela_in_zeroes },
	    { STATUS_ELF_DYNAMIC_OUTSIDE,
	      "77 elf-dynamic-outside: DT_RELA has 0x78 bytes at 0x800, of which 0x0 are in the "
	      "file",
	      rela_in_gap },
	    { STATUS_ELF_DYNAMIC_OUTSIDE,
	      "77 elf-dynamic-outside: DT_RELA has 0x180 bytes at 0x2b0, of which 0xf0 are in the "
	      "file",
	      rela_across },
	    { STATUS_ELF_DYNAMIC_OUTSIDE,
	      "77 elf-dynamic-outside: DT_RELA has 0xfffffffffffffff0 bytes at 0x2b0, of which "
	      "0xf0 are in the file",
	      rela_overflow },
	    { STATUS_ELF_DYNAMIC_OUTSIDE,
	      "77 elf-dynamic-outside: DT_RELA has 0x78 bytes at 0xffffffffffffffff, of which 0x0 "
	      "are in the file",
	      rela_high },
	    { STATUS_ELF_DYNAMIC_OUTSIDE,
	      "77 elf-dynamic-outside: DT_RELR has 0x18 bytes at 0x390, of which 0x10 are in the "
	      "file",
	      relr_outside });
}

SUITE(elf_dynamic, { "dynamic_table", dynamic_table },
      { "tables_in_other_formats", tables_in_other_formats }, { "androids_relr", androids_relr },
      { "table_of_jump_slots", table_of_jump_slots },
      { "tables_lie_in_file_bytes", tables_lie_in_file_bytes });
