// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What elf_parse() says of good files, little-endian and big-endian.
#include "core/elf.h"
#include "test/elf_builder.h"
#include "test/test.h"

static void check_default(const struct elf_image *image)
{
	CHECK_EQ(image->dyn, true);
	CHECK_EQ(image->entry, ELF_ENTRY);
	CHECK_EQ(image->vaddr, 0);
	CHECK_EQ(image->size, ELF_IMAGE_SIZE);
	CHECK_EQ(image->align, 16);
	CHECK_EQ(image->segment_count, 3);
	CHECK_EQ(image->segments[0].offset, 0);
	CHECK_EQ(image->segments[0].filesz, AT_TEXT);
	CHECK_EQ(image->segments[2].offset, AT_DATA);
	CHECK_EQ(image->segments[2].filesz, 0x200);
	CHECK_EQ(image->segments[2].vaddr, VADDR_DATA);
	CHECK_EQ(image->segments[2].memsz, 0x1200);
	CHECK_EQ(image->note_count, 1);
	CHECK_EQ(image->notes[0].bytes.p - image->file.p, AT_NOTES);
	CHECK_EQ(image->notes[0].bytes.n, 56);
	CHECK_EQ(image->notes[0].align, 4);
	CHECK_EQ(image->tls.vaddr, VADDR_DATA + 0x20);
	CHECK_EQ(image->tls.filesz, 0x10);
	CHECK_EQ(image->tls.memsz, 0x30);
	CHECK_EQ(image->tls.align, 16);
	CHECK_EQ(image->rela.vaddr, AT_RELA);
	CHECK_EQ(image->rela.size, 5 * 24);
	CHECK_EQ(image->relr.vaddr, AT_RELR);
	CHECK_EQ(image->relr.size, 24);
	CHECK_EQ(image->symbols.vaddr, AT_SYMTAB);
	CHECK_EQ(image->symbols.size, AT_TEXT - AT_SYMTAB);
}

static void the_default_file(void)
{
	struct elf_spec spec = elf_default();
	struct elf_image image;
	uint8_t *file = elf_write(&spec);
	CHECK_EQ(elf_parse((struct span){ file, spec.size }, &elf_target_x86_64, &image),
		 STATUS_OK);
	check_default(&image);
	free(file);
}

// The target is data: another CPU's rules are checked here as well.
static void a_big_endian_target(void)
{
	static const struct elf_target arm_be = {
		.machine = 183, .order = ORDER_BIG, .relative = 1027, .abs64 = 257, .glob_dat = 1025
	};
	struct elf_spec spec = elf_default();
	struct elf_image image;
	spec.order = ORDER_BIG;
	spec.ident[5] = 2;
	spec.machine = 183;
	uint8_t *file = elf_write(&spec);
	CHECK_EQ(elf_parse((struct span){ file, spec.size }, &arm_be, &image), STATUS_OK);
	check_default(&image);
	file[5] = 1;
	CHECK_REFUSED(elf_parse((struct span){ file, spec.size }, &arm_be, &image),
		      ELF_WRONG_BYTE_ORDER,
		      "71 elf-wrong-byte-order: ELF byte order is 1, expected 2");
	free(file);
}

static void a_fixed_file(void)
{
	struct elf_spec spec = elf_fixed(0x400000);
	struct elf_image image;
	uint8_t *file = elf_write(&spec);
	CHECK_EQ(elf_parse((struct span){ file, spec.size }, &elf_target_x86_64, &image),
		 STATUS_OK);
	CHECK_EQ(image.dyn, false);
	CHECK_EQ(image.vaddr, 0x400000);
	CHECK_EQ(image.size, ELF_IMAGE_SIZE);
	CHECK_EQ(image.rela.vaddr, 0x400000 + AT_RELA);
	free(file);
}

static void the_largest_alignment_counts(void)
{
	struct elf_spec spec = elf_default();
	struct elf_image image;
	spec.phdr[SEGMENT_TEXT].align = 0x4000;
	spec.phdr[SEGMENT_TLS].align = 0x8000;
	spec.phdr[SEGMENT_NOTE].align = 8;
	spec.phdr[SEGMENT_STACK].align = 0x10000; // of no interest
	uint8_t *file = elf_write(&spec);
	CHECK_EQ(elf_parse((struct span){ file, spec.size }, &elf_target_x86_64, &image),
		 STATUS_OK);
	CHECK_EQ(image.align, 0x8000);
	CHECK_EQ(image.notes[0].align, 8);
	free(file);
}

SUITE(elf_good, { "the_default_file", the_default_file },
      { "a_big_endian_target", a_big_endian_target }, { "a_fixed_file", a_fixed_file },
      { "the_largest_alignment_counts", the_largest_alignment_counts });
