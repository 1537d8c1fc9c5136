// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/load.h"

#include <string.h>

#include "test/elf_builder.h"
#include "test/elf_model.h"
#include "test/fake.h"
#include "test/test.h"

enum { RUN_AT = 0x200000 };

static struct elf_image image;
static struct window window; // exact allocations
static uint8_t *file;

static void open_spec(const struct elf_spec *spec, const struct elf_target *target)
{
	console_open();
	file = elf_write(spec);
	CHECK_EQ(elf_parse((struct span){ file, spec->size }, target, &image), STATUS_OK);
	window = (struct window){ malloc(image.size), RUN_AT, image.size };
	memset(window.p, 0xee, image.size);
}

static void close_spec(void)
{
	free(file);
	free(window.p);
}

// Loads and relocates `spec` for RUN_AT.
static enum status load(const struct elf_spec *spec)
{
	open_spec(spec, &elf_target_x86_64);
	load_segments(&image, file, window, false);
	return load_relocate(&image, window, RUN_AT);
}

static uint64_t word(uint64_t vaddr)
{
	return load_u64(window.p + (vaddr - image.vaddr), ORDER_LITTLE);
}

static void segments_and_zeroes_match_the_model(void)
{
	for (unsigned backwards = 0; backwards < 2; backwards++) {
		struct elf_spec spec = elf_default();
		spec.phdr[SEGMENT_DYNAMIC].type = 0;
		open_spec(&spec, &elf_target_x86_64);
		load_segments(&image, file, window, backwards != 0);
		struct model model = model_load((struct span){ file, spec.size }, 0);
		CHECK_EQ(model.size, image.size);
		CHECK_BYTES(window.p, model.bytes, image.size);
		free(model.bytes);
		close_spec();
	}
}

static void relocations_match_the_model(void)
{
	struct elf_spec spec = elf_default();
	CHECK_EQ(load(&spec), STATUS_OK);
	struct model model = model_load((struct span){ file, spec.size }, RUN_AT);
	CHECK_BYTES(window.p, model.bytes, image.size);
	free(model.bytes);
	close_spec();
}

static void each_type_by_hand(void)
{
	struct elf_spec spec = elf_default();
	CHECK_EQ(load(&spec), STATUS_OK);
	CHECK_EQ(word(VADDR_DATA), RUN_AT + ELF_ENTRY);
	CHECK_EQ(word(VADDR_DATA + 8), RUN_AT + VADDR_TEXT + 0x20 + 0x18);
	CHECK_EQ(word(VADDR_DATA + 0x10), RUN_AT + VADDR_DATA + 0x30);
	CHECK_EQ(word(VADDR_DATA + 0x18), 0x40); // weak and undefined: the addend
	CHECK_EQ(word(VADDR_DATA + 0x40), RUN_AT + load_u64(file + AT_DATA + 0x40, ORDER_LITTLE));
	CHECK_EQ(word(VADDR_DATA + 0x48), RUN_AT + load_u64(file + AT_DATA + 0x48, ORDER_LITTLE));
	// bit 1 of the bitmap is not set
	CHECK_EQ(word(VADDR_DATA + 0x50), load_u64(file + AT_DATA + 0x50, ORDER_LITTLE));
	CHECK_EQ(word(VADDR_DATA + 0x238), RUN_AT);
	CHECK_EQ(word(VADDR_DATA + 0x1100), RUN_AT);
	close_spec();
}

static void an_image_that_does_not_begin_at_0(void)
{
	struct elf_spec spec = elf_default();
	elf_move(&spec, 0x10000);
	CHECK_EQ(load(&spec), STATUS_OK);
	struct model model = model_load((struct span){ file, spec.size }, RUN_AT);
	CHECK_EQ(word(VADDR_DATA + 0x10000), RUN_AT + ELF_ENTRY);
	CHECK_BYTES(window.p, model.bytes, image.size);
	free(model.bytes);
	close_spec();
}

// Relative relocations are applied four at a time; others may occur anywhere among them.
static void every_mix_of_common_and_rare(void)
{
	for (unsigned mix = 0; mix < 256; mix++) {
		for (unsigned count = 0; count <= 5; count += 5) {
			struct elf_spec spec = elf_default();
			for (size_t i = 0; i < 5; i++) {
				spec.rela[i].address = VADDR_DATA + 0x80 + 8 * i;
				spec.rela[i].info = mix >> i & 1
							    ? (uint64_t)(1 + i % 2) << 32 | R_64
							    : R_RELATIVE;
				spec.rela[i].addend = 0x1000 * i;
			}
			if (mix & 0x20)
				// a symbol of no use
				spec.rela[4].info = (uint64_t)2 << 32 | R_RELATIVE;
			spec.dyn[DYN_RELASZ].value = 24 * count;
			test_case("mix %x, %u entries", mix, count);
			CHECK_EQ(load(&spec), STATUS_OK);
			struct model model = model_load((struct span){ file, spec.size }, RUN_AT);
			CHECK_BYTES(window.p, model.bytes, image.size);
			free(model.bytes);
			close_spec();
		}
	}
}

static void jump_slots(void)
{
	struct elf_spec spec = elf_default();
	elf_add_plt(&spec);
	CHECK_EQ(load(&spec), STATUS_OK);
	struct model model = model_load((struct span){ file, spec.size }, RUN_AT);
	CHECK_BYTES(window.p, model.bytes, image.size);
	CHECK_EQ(word(VADDR_DATA + 0x60), RUN_AT + VADDR_TEXT + 0x20);
	CHECK_EQ(word(VADDR_DATA + 0x68), RUN_AT + ELF_ENTRY);
	free(model.bytes);
	close_spec();
	spec.plt[1].info = R_COPY;
	enum status got = load(&spec);
	CHECK_REFUSED(got, RELOC_TYPE, "79 reloc-type: relocation type 5 at 0x2068");
	close_spec();
}

static void refused(size_t at, struct elf_rela rela, enum status status, const char *text)
{
	struct elf_spec spec = elf_default();
	spec.rela[at] = rela;
	test_case("entry %zu: %s", at, text);
	enum status got = load(&spec);
	check_refused(got, status, text, __FILE__, __LINE__);
	close_spec();
}

#define SYMBOL(index, type) ((uint64_t)(index) << 32 | (type))

static void what_rela_refuses(void)
{
	for (size_t at = 0; at < 5; at++) {
		refused(at, (struct elf_rela){ 0x2000, R_COPY, 0 }, STATUS_RELOC_TYPE,
			"79 reloc-type: relocation type 5 at 0x2000");
		refused(at, (struct elf_rela){ 0x2000, 0xffffffff, 0 }, STATUS_RELOC_TYPE,
			"79 reloc-type: relocation type 4294967295 at 0x2000");
		refused(at, (struct elf_rela){ 0x31f9, R_RELATIVE, 0 }, STATUS_RELOC_OUTSIDE,
			"79 reloc-outside: relocation of 8 bytes at 0x31f9, image 0x0..0x3200");
		refused(at, (struct elf_rela){ UINT64_MAX, R_RELATIVE, 0 }, STATUS_RELOC_OUTSIDE,
			"79 reloc-outside: relocation of 8 bytes at 0xffffffffffffffff, image "
			"0x0..0x3200");
		refused(at, (struct elf_rela){ 0x3200, SYMBOL(1, R_64), 0 }, STATUS_RELOC_OUTSIDE,
			"79 reloc-outside: relocation of 8 bytes at 0x3200, image 0x0..0x3200");
		refused(at, (struct elf_rela){ 0x2000, SYMBOL(4, R_64), 0 }, STATUS_RELOC_SYMBOL,
			"79 reloc-symbol: a relocation refers to symbol 4, the table has 4");
		refused(at, (struct elf_rela){ 0x2000, SYMBOL(UINT32_MAX, R_GLOB_DAT), 0 },
			STATUS_RELOC_SYMBOL,
			"79 reloc-symbol: a relocation refers to symbol 4294967295, the table has "
			"4");
	}
}

static void only_weak_symbols_may_be_undefined(void)
{
	struct elf_spec spec = elf_default();
	spec.sym[3].info = 0x10;
	enum status got = load(&spec);
	CHECK_REFUSED(got, RELOC_SYMBOL,
		      "79 reloc-symbol: a relocation refers to symbol 3, which is undefined");
	close_spec();
}

// Each type with each kind of symbol. x86-64 psABI, 4.4.1: R_X86_64_64 is S + A, GLOB_DAT and
// JUMP_SLOT are S. AArch64 ELF, 5.7.15: all are S + A.
static void symbols_and_addends(void)
{
	enum { NONE, TEXT, DATA, WEAK };
	static const struct {
		uint32_t type, symbol;
		uint64_t section, on_x86, on_arm;
	} cases[] = {
		{ R_64, TEXT, 2, RUN_AT + 0x1020 + 0x77, RUN_AT + 0x1020 + 0x77 },
		{ R_GLOB_DAT, TEXT, 2, RUN_AT + 0x1020, RUN_AT + 0x1020 + 0x77 },
		{ R_JUMP_SLOT, TEXT, 2, RUN_AT + 0x1020, RUN_AT + 0x1020 + 0x77 },
		// SHN_ABS
		{ R_64, TEXT, 0xfff1, 0x1020 + 0x77, 0x1020 + 0x77 },
		{ R_GLOB_DAT, DATA, 0xfff1, 0x2030, 0x2030 + 0x77 },
		// SHN_XINDEX: a section, whichever
		{ R_64, TEXT, 0xffff, RUN_AT + 0x1020 + 0x77, RUN_AT + 0x1020 + 0x77 },
		// STN_UNDEF
		{ R_64, NONE, 0, 0x77, 0x77 },
		{ R_64, WEAK, 0, 0x77, 0x77 },
		{ R_GLOB_DAT, WEAK, 0, 0, 0x77 },
	};
	static const uint32_t arm[] = { [R_64] = 257, [R_GLOB_DAT] = 1025, [R_JUMP_SLOT] = 1026 };
	for (size_t i = 0; i < 2 * countof(cases); i++) {
		const bool is_arm = i >= countof(cases);
		const size_t at = i % countof(cases);
		struct elf_spec spec = elf_default();
		test_case("case %zu, %s", at, is_arm ? "AArch64" : "x86-64");
		spec.machine = is_arm ? 183 : 62;
		spec.sym[cases[at].symbol].section = (uint16_t)cases[at].section;
		spec.rela[0] = (struct elf_rela){
			0x2000,
			SYMBOL(cases[at].symbol, is_arm ? arm[cases[at].type] : cases[at].type),
			0x77
		};
		spec.dyn[DYN_RELASZ].value = 24;
		open_spec(&spec, is_arm ? &elf_target_aarch64 : &elf_target_x86_64);
		load_segments(&image, file, window, false);
		CHECK_EQ(load_relocate(&image, window, RUN_AT), STATUS_OK);
		CHECK_EQ(word(0x2000), is_arm ? cases[at].on_arm : cases[at].on_x86);
		close_spec();
	}
}

static void symbols_that_need_a_dynamic_linker(void)
{
	struct elf_spec spec = elf_default();
	spec.sym[1].info = 0x1a;
	enum status got = load(&spec);
	CHECK_REFUSED(got, RELOC_SYMBOL_TYPE,
		      "79 reloc-symbol-type: a relocation refers to symbol 1 of type 10 "
		      "(STT_GNU_IFUNC), whose address only a dynamic linker knows");
	close_spec();
	spec.sym[1].info = 0x16;
	got = load(&spec);
	CHECK_REFUSED(got, RELOC_SYMBOL_TYPE,
		      "79 reloc-symbol-type: a relocation refers to symbol 1 of type 6 (STT_TLS), "
		      "whose address only a dynamic linker knows");
	close_spec();
}

// DT_TEXTREL alone is harmless: some linkers set it for relocations of type NONE.
static void relocations_of_read_only_segments(void)
{
	struct elf_spec spec = elf_default();
	spec.dyn[DYN_NULL] = (struct elf_dyn){ 22, 0 };
	spec.rela[4].address = VADDR_TEXT;
	CHECK_EQ(load(&spec), STATUS_OK);
	close_spec();
	for (unsigned flags = 0; flags < 2; flags++) {
		if (flags != 0) // DF_TEXTREL
			spec.dyn[DYN_NULL] = (struct elf_dyn){ 30, 4 };
		spec.rela[4] = (struct elf_rela){ VADDR_TEXT + 0x58, R_RELATIVE, 0 };
		enum status got = load(&spec);
		CHECK_REFUSED(got, RELOC_TEXT,
			      "79 reloc-text: DT_TEXTREL: relocation at 0x1058 in segment 1, which "
			      "is read-only: compile with -fPIE");
		close_spec();
	}
	// its last bytes are in segment 1
	spec.rela[4].address = VADDR_TEXT - 4;
	enum status got = load(&spec);
	CHECK_REFUSED(got, RELOC_TEXT,
		      "79 reloc-text: DT_TEXTREL: relocation at 0xffc in segment 1, which is "
		      "read-only: compile with -fPIE");
	close_spec();
	spec.relr[0] = 0x18;
	got = load(&spec);
	CHECK_REFUSED(got, RELOC_TEXT,
		      "79 reloc-text: DT_TEXTREL: relative relocation at 0x18 in segment 0, which "
		      "is read-only: compile with -fPIE");
	close_spec();
	spec.relr[0] = VADDR_DATA + 0x40;
	spec.phdr[SEGMENT_TEXT].flags = 7;
	CHECK_EQ(load(&spec), STATUS_OK);
	close_spec();
}

// ET_EXEC: the tables are applied as well, with a load bias of 0.
static void a_fixed_image(void)
{
	struct elf_spec spec = elf_fixed(RUN_AT);
	CHECK_EQ(load(&spec), STATUS_OK);
	CHECK_EQ(word(RUN_AT + VADDR_DATA), RUN_AT + ELF_ENTRY);
	CHECK_EQ(word(RUN_AT + VADDR_DATA + 8), RUN_AT + VADDR_TEXT + 0x20 + 0x18);
	CHECK_EQ(word(RUN_AT + VADDR_DATA + 0x40), load_u64(file + AT_DATA + 0x40, ORDER_LITTLE));
	close_spec();
	spec.rela[0].info = 37; // R_X86_64_IRELATIVE
	enum status got = load(&spec);
	CHECK_REFUSED(got, RELOC_TYPE, "79 reloc-type: relocation type 37 at 0x202000");
	close_spec();
}

static void the_last_word_may_be_relocated(void)
{
	struct elf_spec spec = elf_default();
	spec.rela[4] = (struct elf_rela){ ELF_IMAGE_SIZE - 8, R_RELATIVE, 1 };
	CHECK_EQ(load(&spec), STATUS_OK);
	CHECK_EQ(word(ELF_IMAGE_SIZE - 8), RUN_AT + 1);
	close_spec();
}

static void relr_refused(uint64_t first, uint64_t second, const char *text)
{
	struct elf_spec spec = elf_default();
	spec.relr[0] = first;
	spec.relr[1] = second;
	test_case("%lx %lx", first, second);
	enum status got = load(&spec);
	check_refused(got, STATUS_RELOC_OUTSIDE, text, __FILE__, __LINE__);
	close_spec();
}

static void what_relr_refuses(void)
{
	relr_refused(
		0x31fa, 1,
		"79 reloc-outside: relative relocation of 8 bytes at 0x31fa, image 0x0..0x3200");
	relr_refused(UINT64_MAX - 1, 1,
		     "79 reloc-outside: relative relocation of 8 bytes at 0xfffffffffffffffe, "
		     "image 0x0..0x3200");
	relr_refused(
		0x3100, 0x8000000000000001,
		"79 reloc-outside: relative relocation of 8 bytes at 0x32f8, image 0x0..0x3200");
	relr_refused(
		0x31f8, 3,
		"79 reloc-outside: relative relocation of 8 bytes at 0x3200, image 0x0..0x3200");
}

static void no_symbol_table_means_no_symbols(void)
{
	struct elf_spec spec = elf_default();
	spec.dyn[DYN_SYMTAB].tag = 0x6ffffef5;
	enum status got = load(&spec);
	CHECK_REFUSED(got, RELOC_SYMBOL,
		      "79 reloc-symbol: a relocation refers to symbol 1, the table has 0");
	close_spec();
}

static void a_big_endian_image(void)
{
	static const struct elf_target arm_be = {
		.machine = 183, .order = ORDER_BIG, .relative = 1027, .abs64 = 257, .glob_dat = 1025
	};
	struct elf_spec spec = elf_default();
	spec.order = ORDER_BIG;
	spec.ident[5] = 2;
	spec.machine = 183;
	spec.rela[0].info = 1027;
	spec.rela[1].info = SYMBOL(1, 257);
	spec.rela[2].info = SYMBOL(2, 1025);
	spec.rela[3].info = SYMBOL(3, 257);
	open_spec(&spec, &arm_be);
	load_segments(&image, file, window, false);
	CHECK_EQ(load_relocate(&image, window, RUN_AT), STATUS_OK);
	CHECK_EQ(load_u64(window.p + VADDR_DATA, ORDER_BIG), RUN_AT + ELF_ENTRY);
	CHECK_EQ(load_u64(window.p + VADDR_DATA + 8, ORDER_BIG), RUN_AT + VADDR_TEXT + 0x38);
	CHECK_EQ(load_u64(window.p + VADDR_DATA + 0x10, ORDER_BIG), RUN_AT + VADDR_DATA + 0x30);
	CHECK_EQ(load_u64(window.p + VADDR_DATA + 0x1100, ORDER_BIG), RUN_AT);
	close_spec();
}

// The file is in the memory that it is copied to; every distance at which the placement allows
// that.
static void backwards_copies_onto_itself(void)
{
	struct elf_spec spec = elf_default();
	spec.phdr[SEGMENT_DYNAMIC].type = 0;
	for (uint64_t distance = 0; distance <= ELF_FILE_SIZE; distance += 0x10) {
		open_spec(&spec, &elf_target_x86_64);
		struct model model = model_load((struct span){ file, spec.size }, 0);
		uint8_t *memory = calloc(1, distance + image.size + ELF_FILE_SIZE);
		memcpy(memory, file, spec.size);
		load_segments(&image, memory,
			      (struct window){ memory + distance, RUN_AT, image.size }, true);
		test_case("image %lx bytes above its file", distance);
		CHECK_BYTES(memory + distance, model.bytes, image.size);
		free(memory);
		free(model.bytes);
		close_spec();
	}
}

#define T(name) { #name, name }
SUITE(load, T(segments_and_zeroes_match_the_model), T(relocations_match_the_model),
      T(each_type_by_hand), T(jump_slots), T(an_image_that_does_not_begin_at_0),
      T(every_mix_of_common_and_rare), T(what_rela_refuses), T(only_weak_symbols_may_be_undefined),
      T(symbols_and_addends), T(symbols_that_need_a_dynamic_linker),
      T(relocations_of_read_only_segments), T(a_fixed_image), T(the_last_word_may_be_relocated),
      T(what_relr_refuses), T(no_symbol_table_means_no_symbols), T(a_big_endian_image),
      T(backwards_copies_onto_itself));
