// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Each case of the tables changes one thing in a valid file, and names the whole line of the
// refusal.
#include "test/elf_cases.h"

CHANGE(empty, s->size = 0)
CHANGE(size_63, s->size = 63)
CHANGE(class_32, s->ident[4] = 1)
CHANGE(class_0, s->ident[4] = 0)
CHANGE(data_big, s->ident[5] = 2)
CHANGE(data_0, s->ident[5] = 0)
CHANGE(ident_version, s->ident[6] = 2)
CHANGE(machine_arm, s->machine = 183)
CHANGE(type_rel, s->type = 1)
CHANGE(type_core, s->type = 4)
CHANGE(ehsize_63, s->ehsize = 63)
CHANGE(phnum_0, s->phnum = 0)
CHANGE(phnum_elsewhere, s->phnum = 0xffff)
CHANGE(phentsize_55, s->phentsize = 55)
CHANGE(phentsize_64, s->phentsize = 64)
CHANGE(osabi_0, s->ident[7] = 0)

static void header(void)
{
	RUN({ STATUS_ELF_HEADER_BEYOND_FILE,
	      "67 elf-header-beyond-file: the ELF header has 64 bytes, the file 0x0", empty },
	    { STATUS_ELF_HEADER_BEYOND_FILE,
	      "67 elf-header-beyond-file: the ELF header has 64 bytes, the file 0x3f", size_63 },
	    { STATUS_ELF_NOT_64_BIT, "71 elf-not-64-bit: ELF class is 1, expected 2 (64-bit)",
	      class_32 },
	    { STATUS_ELF_NOT_64_BIT, "71 elf-not-64-bit: ELF class is 0, expected 2 (64-bit)",
	      class_0 },
	    { STATUS_ELF_WRONG_BYTE_ORDER,
	      "71 elf-wrong-byte-order: ELF byte order is 2, expected 1", data_big },
	    { STATUS_ELF_WRONG_BYTE_ORDER,
	      "71 elf-wrong-byte-order: ELF byte order is 0, expected 1", data_0 },
	    { STATUS_ELF_WRONG_VERSION, "71 elf-wrong-version: ELF version is 2, expected 1",
	      ident_version },
	    { STATUS_ELF_WRONG_MACHINE,
	      "73 elf-wrong-machine: the file is for ELF machine 183, this loader for 62",
	      machine_arm },
	    { STATUS_ELF_WRONG_TYPE,
	      "75 elf-wrong-type: ELF type is 1, expected 2 (ET_EXEC) or 3 (ET_DYN)", type_rel },
	    { STATUS_ELF_WRONG_TYPE,
	      "75 elf-wrong-type: ELF type is 4, expected 2 (ET_EXEC) or 3 (ET_DYN)", type_core },
	    { STATUS_ELF_HEADER_SIZE, "77 elf-header-size: e_ehsize is 63, expected 64",
	      ehsize_63 },
	    { STATUS_ELF_NO_SEGMENTS, "77 elf-no-segments: e_phnum is 0", phnum_0 },
	    { STATUS_ELF_NO_SEGMENTS, "77 elf-no-segments: e_phnum is 65535", phnum_elsewhere },
	    { STATUS_ELF_PHDR_SIZE, "77 elf-phdr-size: e_phentsize is 55, expected 56",
	      phentsize_55 },
	    { STATUS_ELF_PHDR_SIZE, "77 elf-phdr-size: e_phentsize is 64, expected 56",
	      phentsize_64 },
	    { STATUS_OK, NULL, osabi_0 });
}

CHANGE(phdrs_fit, s->phoff = 0x600 - 7 * 56)
CHANGE(phdrs_one_byte_too_far, s->phoff = 0x600 - 7 * 56 + 1)
CHANGE(phdrs_too_many, s->phnum = 40)
CHANGE(phdrs_beyond_file, s->phoff = 0x601)
CHANGE(phdrs_overflow, s->phoff = UINT64_MAX - 7)

static void program_headers_lie_in_the_file(void)
{
	RUN({ STATUS_OK, NULL, phdrs_fit },
	    { STATUS_ELF_PHDRS_BEYOND_FILE,
	      "67 elf-phdrs-beyond-file: 7 program headers at 0x479, the file has 0x600 bytes",
	      phdrs_one_byte_too_far },
	    { STATUS_ELF_PHDRS_BEYOND_FILE,
	      "67 elf-phdrs-beyond-file: 40 program headers at 0x40, the file has 0x600 bytes",
	      phdrs_too_many },
	    { STATUS_ELF_PHDRS_BEYOND_FILE,
	      "67 elf-phdrs-beyond-file: 7 program headers at 0x601, the file has 0x600 bytes",
	      phdrs_beyond_file },
	    { STATUS_ELF_PHDRS_BEYOND_FILE,
	      "67 elf-phdrs-beyond-file: 7 program headers at 0xfffffffffffffff8, the file has "
	      "0x600 bytes",
	      phdrs_overflow });
}

CHANGE(filesz_is_memsz, s->phdr[SEGMENT_DATA].memsz = 0x200; s->phdr[SEGMENT_TLS].memsz = 0x10)
CHANGE(filesz_above_memsz, s->phdr[SEGMENT_DATA].memsz = 0x1ff)
CHANGE(empty_with_bytes, s->phdr[SEGMENT_DATA].memsz = 0)
CHANGE(empty_load,
       s->phdr[SEGMENT_STACK] = (struct elf_phdr){ PT_LOAD, 4, UINT64_MAX, 1, 0, 0, 0, 3 })
CHANGE(bytes_end_beyond_file, s->phdr[SEGMENT_DATA].filesz = 0x201)
CHANGE(bytes_start_beyond_file, s->phdr[SEGMENT_DATA].offset = 0x10000)
CHANGE(bytes_overflow, s->phdr[SEGMENT_DATA].offset = UINT64_MAX - 0xff)
CHANGE(no_bytes_anywhere, s->phdr[SEGMENT_DATA].filesz = 0;
       s->phdr[SEGMENT_DATA].offset = UINT64_MAX; s->phdr[SEGMENT_TLS].filesz = 0)
CHANGE(memory_overflows, s->phdr[SEGMENT_DATA].memsz = UINT64_MAX - 0x1fff)
CHANGE(memory_to_the_end, s->phdr[SEGMENT_DATA].memsz = UINT64_MAX - 0x2000)
CHANGE(file_one_short, s->size = 0x5ff)

static void segments_lie_in_the_file_and_in_memory(void)
{
	RUN({ STATUS_OK, NULL, filesz_is_memsz },
	    { STATUS_ELF_SEGMENT_SIZE,
	      "77 elf-segment-size: the segment at 0x2000 has 0x200 bytes in the file, 0x1ff in "
	      "memory",
	      filesz_above_memsz },
	    { STATUS_ELF_SEGMENT_SIZE,
	      "77 elf-segment-size: the segment at 0x2000 has 0x200 bytes in the file, 0x0 in "
	      "memory",
	      empty_with_bytes },
	    { STATUS_OK, NULL, empty_load },
	    { STATUS_ELF_SEGMENT_BEYOND_FILE,
	      "67 elf-segment-beyond-file: segment 2 has 0x201 bytes at 0x400, the file has 0x600 "
	      "bytes",
	      bytes_end_beyond_file },
	    { STATUS_ELF_SEGMENT_BEYOND_FILE,
	      "67 elf-segment-beyond-file: segment 2 has 0x200 bytes at 0x10000, the file has "
	      "0x600 bytes",
	      bytes_start_beyond_file },
	    { STATUS_ELF_SEGMENT_BEYOND_FILE,
	      "67 elf-segment-beyond-file: segment 2 has 0x200 bytes at 0xffffffffffffff00, the "
	      "file has 0x600 bytes",
	      bytes_overflow },
	    { STATUS_ELF_SEGMENT_BEYOND_FILE,
	      "67 elf-segment-beyond-file: segment 2 has 0x200 bytes at 0x400, the file has 0x5ff "
	      "bytes",
	      file_one_short },
	    { STATUS_OK, NULL, no_bytes_anywhere },
	    { STATUS_ELF_ADDRESS_OVERFLOW,
	      "77 elf-address-overflow: segment at 0x2000 with 0xffffffffffffe000 bytes",
	      memory_overflows },
	    { STATUS_OK, NULL, memory_to_the_end });
}

CHANGE(overlap_by_one, s->phdr[SEGMENT_TEXT].memsz = 0x1001)
CHANGE(touching, s->phdr[SEGMENT_TEXT].memsz = 0x1000)
CHANGE(descending, s->phdr[SEGMENT_TABLES].vaddr = 0x10000)
CHANGE(twice, s->phdr[SEGMENT_STACK] = s->phdr[SEGMENT_DATA])
CHANGE(align_0, s->phdr[SEGMENT_DATA].align = 0)
CHANGE(align_1, s->phdr[SEGMENT_DATA].align = 1)
CHANGE(align_large, s->phdr[SEGMENT_DATA].align = (uint64_t)1 << 63)
CHANGE(align_24, s->phdr[SEGMENT_DATA].align = 24)
CHANGE(align_odd, s->phdr[SEGMENT_DATA].align = UINT64_MAX)

static void segments_ascend_and_are_aligned(void)
{
	RUN({ STATUS_OK, NULL, touching },
	    { STATUS_ELF_SEGMENT_ORDER,
	      "77 elf-segment-order: segment 2 begins at 0x2000, the previous one ends at 0x2001",
	      overlap_by_one },
	    { STATUS_ELF_SEGMENT_ORDER,
	      "77 elf-segment-order: segment 1 begins at 0x1000, the previous one ends at 0x103a0",
	      descending },
	    { STATUS_ELF_SEGMENT_ORDER,
	      "77 elf-segment-order: segment 3 begins at 0x2000, the previous one ends at 0x3200",
	      twice },
	    { STATUS_OK, NULL, align_0 }, { STATUS_OK, NULL, align_1 },
	    { STATUS_OK, NULL, align_large },
	    { STATUS_ELF_SEGMENT_ALIGN,
	      "77 elf-segment-align: alignment 0x18 of the segment at 0x2000 is not a power of two",
	      align_24 },
	    { STATUS_ELF_SEGMENT_ALIGN,
	      "77 elf-segment-align: alignment 0xffffffffffffffff of the segment at 0x2000 is not "
	      "a power of two",
	      align_odd });
}

static void many(struct elf_spec *s, uint32_t type, uint16_t count)
{
	elf_phdrs_to_end(s);
	for (uint16_t i = 0; i < count; i++) {
		uint64_t vaddr = 0x100000 + (uint64_t)i * 0x10;
		s->phdr[s->phnum++] = (struct elf_phdr){ type,
							 4,
							 AT_NOTES,
							 vaddr,
							 0,
							 type == PT_NOTE ? 56 : 0,
							 type == PT_NOTE ? 56 : 8,
							 4 };
	}
}

static void only_other_headers(struct elf_spec *s)
{
	s->phdr[SEGMENT_TABLES].type = s->phdr[SEGMENT_TEXT].type = s->phdr[SEGMENT_DATA].type =
		0x60000000;
}

CHANGE(loads_64, many(s, PT_LOAD, 61))
CHANGE(loads_65, many(s, PT_LOAD, 62))
CHANGE(notes_8, many(s, PT_NOTE, 7))
CHANGE(notes_9, many(s, PT_NOTE, 8))
CHANGE(note_beyond_file, s->phdr[SEGMENT_NOTE].offset = 0x600 - 55)
CHANGE(note_overflow, s->phdr[SEGMENT_NOTE].filesz = UINT64_MAX)

static void counts_and_notes(void)
{
	RUN({ STATUS_ELF_NO_SEGMENTS,
	      "77 elf-no-segments: none of 7 program headers is a PT_LOAD with a size",
	      only_other_headers },
	    { STATUS_OK, NULL, loads_64 },
	    { STATUS_ELF_TOO_MANY_SEGMENTS, "77 elf-too-many-segments: more than 64 PT_LOAD",
	      loads_65 },
	    { STATUS_OK, NULL, notes_8 },
	    { STATUS_ELF_TOO_MANY_SEGMENTS, "77 elf-too-many-segments: more than 8 PT_NOTE",
	      notes_9 },
	    { STATUS_ELF_SEGMENT_BEYOND_FILE,
	      "67 elf-segment-beyond-file: PT_NOTE has 0x38 bytes at 0x5c9, the file has 0x600 "
	      "bytes",
	      note_beyond_file },
	    { STATUS_ELF_SEGMENT_BEYOND_FILE,
	      "67 elf-segment-beyond-file: PT_NOTE has 0xffffffffffffffff bytes at 0x1d0, the file "
	      "has 0x600 bytes",
	      note_overflow });
}

CHANGE(entry_first, s->entry = 0x1000)
CHANGE(entry_last, s->entry = 0x105f)
CHANGE(entry_beyond_segment, s->entry = 0x1060)
CHANGE(entry_before, s->entry = 0xfff)
CHANGE(entry_in_data, s->entry = 0x2000)
CHANGE(entry_0, s->entry = 0)
CHANGE(entry_high, s->entry = UINT64_MAX)
CHANGE(entry_of_debug_file, s->phdr[SEGMENT_TEXT].filesz = 0)
CHANGE(entry_after_bytes, s->phdr[SEGMENT_TEXT].filesz = 0x10)
CHANGE(entry_with_one_byte, s->phdr[SEGMENT_TEXT].filesz = 0x11)
CHANGE(tls_at_end, s->phdr[SEGMENT_TLS].vaddr = 0x3200 - 0x10)
CHANGE(tls_one_too_far, s->phdr[SEGMENT_TLS].vaddr = 0x3200 - 0xf)
CHANGE(tls_before, s->phdr[SEGMENT_TABLES].vaddr = 0x10; s->phdr[SEGMENT_DYNAMIC].type = 0;
       s->phdr[SEGMENT_TLS].vaddr = 0xf)
CHANGE(tls_overflow, s->phdr[SEGMENT_TLS].vaddr = UINT64_MAX)
CHANGE(tls_size, s->phdr[SEGMENT_TLS].filesz = 0x31)
CHANGE(tls_align, s->phdr[SEGMENT_TLS].align = 3)
CHANGE(tls_empty, s->phdr[SEGMENT_TLS].filesz = s->phdr[SEGMENT_TLS].memsz = 0;
       s->phdr[SEGMENT_TLS].vaddr = UINT64_MAX)

static void entry_and_tls_lie_in_the_image(void)
{
	RUN({ STATUS_OK, NULL, entry_first }, { STATUS_OK, NULL, entry_last },
	    { STATUS_OK, NULL, tls_at_end }, { STATUS_OK, NULL, tls_empty },
	    { STATUS_ELF_ENTRY_OUTSIDE,
	      "77 elf-entry-outside: entry point 0x1060 is in no executable segment of 0x0..0x3200",
	      entry_beyond_segment },
	    { STATUS_ELF_ENTRY_OUTSIDE,
	      "77 elf-entry-outside: entry point 0xfff is in no executable segment of 0x0..0x3200",
	      entry_before },
	    { STATUS_ELF_ENTRY_OUTSIDE,
	      "77 elf-entry-outside: entry point 0x2000 is in no executable segment of 0x0..0x3200",
	      entry_in_data },
	    { STATUS_ELF_ENTRY_OUTSIDE,
	      "77 elf-entry-outside: entry point 0x0 is in no executable segment of 0x0..0x3200",
	      entry_0 },
	    { STATUS_ELF_ENTRY_OUTSIDE,
	      "77 elf-entry-outside: entry point 0xffffffffffffffff is in no executable segment of "
	      "0x0..0x3200",
	      entry_high },
	    { STATUS_OK, NULL, entry_with_one_byte },
	    { STATUS_ELF_ENTRY_WITHOUT_BYTES,
	      "77 elf-entry-without-bytes: the file has no bytes for entry point 0x1010, as a file "
	      "of debug information: boot the application that it belongs to",
	      entry_of_debug_file },
	    { STATUS_ELF_ENTRY_WITHOUT_BYTES,
	      "77 elf-entry-without-bytes: the file has no bytes for entry point 0x1010, as a file "
	      "of debug information: boot the application that it belongs to",
	      entry_after_bytes },
	    { STATUS_ELF_TLS_OUTSIDE,
	      "77 elf-tls-outside: TLS template 0x31f1..0x3201, image 0x0..0x3200",
	      tls_one_too_far },
	    { STATUS_ELF_TLS_OUTSIDE,
	      "77 elf-tls-outside: TLS template 0xf..0x1f, image 0x10..0x3200", tls_before },
	    { STATUS_ELF_TLS_OUTSIDE,
	      "77 elf-tls-outside: TLS template 0xffffffffffffffff..0xf, image 0x0..0x3200",
	      tls_overflow },
	    { STATUS_ELF_SEGMENT_SIZE,
	      "77 elf-segment-size: the TLS template at 0x2020 has 0x31 bytes in the file, 0x30 in "
	      "memory",
	      tls_size },
	    { STATUS_ELF_SEGMENT_ALIGN,
	      "77 elf-segment-align: alignment 0x3 of the segment at 0x2020 is not a power of two",
	      tls_align });
}

SUITE(elf, { "header", header },
      { "program_headers_lie_in_the_file", program_headers_lie_in_the_file },
      { "segments_lie_in_the_file_and_in_memory", segments_lie_in_the_file_and_in_memory },
      { "segments_ascend_and_are_aligned", segments_ascend_and_are_aligned },
      { "counts_and_notes", counts_and_notes },
      { "entry_and_tls_lie_in_the_image", entry_and_tls_lie_in_the_image });
