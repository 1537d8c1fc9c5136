// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A good file cut at every length, and with every bit of its tables turned over: it is refused
// before anything is written, or it boots as the model says. AddressSanitizer watches every access.
#include <string.h>

#include "test/elf_builder.h"
#include "test/test.h"
#include "test/boot_checks.h"

static const struct range nowhere = { 0, 0 };

enum { RAM = 0x210000, FIXED_AT = 0x200000 };

static unsigned booted, refused;

// Runs what is in `bytes`, in an allocation of just that size.
static void run(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = exact_copy(bytes, n);
	struct fake_pc pc = fake_pc_default(RAM, copy, n);
	pc.cmdline = "loader";
	const struct fake_outcome *outcome = fake_pc_boot(&pc);
	if (outcome->end == FAKE_HANDED_OVER) {
		booted++;
		check_handed_over(&pc, outcome, nowhere);
	} else {
		refused++;
		CHECK(outcome->status != STATUS_INTERNAL_ASSERT && outcome->status != STATUS_OK);
		CHECK(strstr(console_text(), "[LOADER][ERROR] ") != NULL);
		// Bad relocations are found while the image is written.
		if (status_number(outcome->status) != status_number(STATUS_RELOC_TYPE)) {
			check_nothing_written(&pc);
		} else {
			// the block begins here at the earliest
			CHECK_BYTES(fake_memory(), fake_before(), 0xa000);
			CHECK_BYTES(fake_memory() + 0x9fc00, fake_before() + 0x9fc00,
				    0x200000 - 0x9fc00);
		}
	}
	free(copy);
}

// The same without a machine: the parser alone, where each byte after the file is poisoned.
static void parse_exactly(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = exact_copy(bytes, n);
	static struct elf_image image;
	console_open();
	(void)!elf_parse((struct span){ copy, n }, &elf_target_x86_64, &image);
	free(copy);
}

static void cut_everywhere(struct elf_spec spec)
{
	spec.size += 0x40; // what no segment needs: like section headers
	uint8_t *file = elf_write(&spec);
	booted = refused = 0;
	for (size_t n = 0; n <= spec.size; n++) {
		test_case("cut to %zx bytes", n);
		parse_exactly(file, n);
		run(file, n);
	}
	CHECK_EQ(refused, ELF_FILE_SIZE);
	CHECK_EQ(booted, 0x41);
	free(file);
}

static void cut_relocatable(void)
{
	cut_everywhere(elf_default());
}

static void cut_fixed(void)
{
	cut_everywhere(elf_fixed(FIXED_AT));
}

static void flip(struct elf_spec spec, size_t from, size_t to)
{
	uint8_t *file = elf_write(&spec);
	booted = refused = 0;
	for (size_t bit = 8 * from; bit < 8 * to; bit++) {
		test_case("bit %zu of byte 0x%zx", bit % 8, bit / 8);
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		parse_exactly(file, spec.size);
		run(file, spec.size);
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK(booted != 0 && refused != 0);
	free(file);
}

static void flip_headers(void)
{
	flip(elf_default(), 0, AT_NOTES);
}

static void flip_headers_of_a_fixed_one(void)
{
	flip(elf_fixed(FIXED_AT), 0, AT_NOTES);
}

static void flip_notes_and_dynamic(void)
{
	flip(elf_default(), AT_NOTES, AT_RELA);
}

static void flip_jump_slots(void)
{
	struct elf_spec spec = elf_default();
	elf_add_plt(&spec);
	flip(spec, spec.plt_at, spec.dynamic_at + 16 * spec.dyn_count);
}

static void flip_relocations_and_symbols(void)
{
	flip(elf_default(), AT_RELA, AT_TEXT);
}

#define T(name) { #name, name }
SUITE(sweep, T(cut_relocatable), T(cut_fixed), T(flip_headers), T(flip_headers_of_a_fixed_one),
      T(flip_notes_and_dynamic), T(flip_jump_slots), T(flip_relocations_and_symbols));
