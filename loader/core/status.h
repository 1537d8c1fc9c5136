// SPDX-License-Identifier: Apache-2.0 OR MIT
// Why the loader refused: the one list of numbers and words. Harness and docs print it with the
// host program hermit-status.
//
// X(name, number, class word, rule word, sentence)
// `number` is the exit status, the same on every target. It is odd, because isa-debug-exit can only
// express odd ones. It is within 65 to 119, which neither QEMU nor a shell uses. One number is for
// a class of reasons; the rule word names the reason itself.
#pragma once

#include "core/base.h"

#define STATUS_LIST(X)                                                                            \
	X(NO_MODULE, 65, "no-app", "no-module",                                                   \
	  "the boot loader or VMM passed no application (QEMU: -initrd APP)")                     \
	X(ELF_HEADER_BEYOND_FILE, 67, "elf-truncated", "elf-header-beyond-file",                  \
	  "the file ends inside the ELF header")                                                  \
	X(ELF_PHDRS_BEYOND_FILE, 67, "elf-truncated", "elf-phdrs-beyond-file",                    \
	  "the program headers are not inside the file")                                          \
	X(ELF_SEGMENT_BEYOND_FILE, 67, "elf-truncated", "elf-segment-beyond-file",                \
	  "a segment's bytes are not inside the file")                                            \
	X(APP_UNKNOWN_FORMAT, 69, "unknown-format", "app-unknown-format",                         \
	  "neither an ELF file nor a Hermit image, or a Hermit image whose application is no "    \
	  "ELF file")                                                                             \
	X(ELF_NOT_64_BIT, 71, "elf-wrong-class", "elf-not-64-bit",                                \
	  "the ELF file is not of class 64")                                                      \
	X(ELF_WRONG_BYTE_ORDER, 71, "elf-wrong-class", "elf-wrong-byte-order",                    \
	  "the ELF file has the wrong byte order")                                                \
	X(ELF_WRONG_VERSION, 71, "elf-wrong-class", "elf-wrong-version",                          \
	  "the ELF version is not 1")                                                             \
	X(ELF_WRONG_MACHINE, 73, "elf-wrong-machine", "elf-wrong-machine",                        \
	  "the file is for another CPU")                                                          \
	X(ELF_WRONG_TYPE, 75, "elf-wrong-type", "elf-wrong-type",                                 \
	  "the ELF file is neither ET_EXEC nor ET_DYN")                                           \
	X(ELF_NEEDS_LIBRARY, 75, "elf-wrong-type", "elf-needs-library",                           \
	  "the file needs a shared library (DT_NEEDED)")                                          \
	X(ELF_HEADER_SIZE, 77, "elf-malformed", "elf-header-size", "e_ehsize is not 64")          \
	X(ELF_PHDR_SIZE, 77, "elf-malformed", "elf-phdr-size", "e_phentsize is not 56")           \
	X(ELF_NO_SEGMENTS, 77, "elf-malformed", "elf-no-segments",                                \
	  "no PT_LOAD segment with a size")                                                       \
	X(ELF_TOO_MANY_SEGMENTS, 77, "elf-malformed", "elf-too-many-segments",                    \
	  "more PT_LOAD or PT_NOTE segments than the loader supports")                            \
	X(ELF_SEGMENT_ORDER, 77, "elf-malformed", "elf-segment-order",                            \
	  "PT_LOAD segments overlap or do not ascend")                                            \
	X(ELF_SEGMENT_SIZE, 77, "elf-malformed", "elf-segment-size",                              \
	  "a segment has more bytes in the file than in memory")                                  \
	X(ELF_SEGMENT_ALIGN, 77, "elf-malformed", "elf-segment-align",                            \
	  "an alignment is not a power of two")                                                   \
	X(ELF_ADDRESS_OVERFLOW, 77, "elf-malformed", "elf-address-overflow",                      \
	  "the sum of an address and a size exceeds 2^64")                                        \
	X(ELF_ENTRY_OUTSIDE, 77, "elf-malformed", "elf-entry-outside",                            \
	  "the entry point is not in an executable segment")                                      \
	X(ELF_ENTRY_WITHOUT_BYTES, 77, "elf-malformed", "elf-entry-without-bytes",                \
	  "the file has no bytes for the entry point: debug information only")                    \
	X(ELF_TLS_OUTSIDE, 77, "elf-malformed", "elf-tls-outside",                                \
	  "the TLS template is not inside the image")                                             \
	X(ELF_DYNAMIC_OUTSIDE, 77, "elf-malformed", "elf-dynamic-outside",                        \
	  "a dynamic table is not inside the file bytes of a segment")                            \
	X(ELF_DYNAMIC_ENTRY, 77, "elf-malformed", "elf-dynamic-entry",                            \
	  "the dynamic section gives a size that violates the ELF standard")                      \
	X(RELOC_TYPE, 79, "elf-bad-relocation", "reloc-type",                                     \
	  "a relocation type that Hermit does not use")                                           \
	X(RELOC_OUTSIDE, 79, "elf-bad-relocation", "reloc-outside",                               \
	  "a relocation writes outside the image")                                                \
	X(RELOC_SYMBOL, 79, "elf-bad-relocation", "reloc-symbol",                                 \
	  "a relocation refers to a missing or undefined symbol")                                 \
	X(RELOC_SYMBOL_TYPE, 79, "elf-bad-relocation", "reloc-symbol-type",                       \
	  "a relocation refers to a symbol that needs a dynamic linker (STT_GNU_IFUNC, STT_TLS)") \
	X(RELOC_TEXT, 79, "elf-bad-relocation", "reloc-text",                                     \
	  "a relocation of a read-only segment (DT_TEXTREL)")                                     \
	X(RELOC_TABLE, 79, "elf-bad-relocation", "reloc-table",                                   \
	  "the file has a table of relocations in an unknown format")                             \
	X(RELOC_REL, 79, "elf-bad-relocation", "reloc-rel",                                       \
	  "the file has relocations without addend (DT_REL)")                                     \
	X(ERA_NO_NOTE, 81, "unknown-era", "era-no-note",                                          \
	  "no Hermit entry-version note, and no older kernel: not a Hermit application")          \
	X(ERA_NOTE_MALFORMED, 81, "unknown-era", "era-note-malformed",                            \
	  "a note exceeds its segment or has a wrong size")                                       \
	X(ERA_CONFLICT, 81, "unknown-era", "era-conflict", "two entry-version notes that differ") \
	X(ERA_UNSUPPORTED, 81, "unknown-era", "era-unsupported",                                  \
	  "an entry version that is not supported, or loader.era=h0 and an image that is too "    \
	  "small")                                                                                \
	X(IMAGE_NOT_IN_RAM, 83, "does-not-fit", "image-not-in-ram",                               \
	  "the fixed address of the application is not free RAM that the loader can map")         \
	X(IMAGE_NO_ROOM, 83, "does-not-fit", "image-no-room",                                     \
	  "no range of free RAM is large enough for the application, or the loader has too few "  \
	  "page tables to map one")                                                               \
	X(UNPACK_NO_ROOM, 83, "does-not-fit", "unpack-no-room",                                   \
	  "no range of free RAM is large enough to unpack the application's file, or the loader " \
	  "has too few page tables to map one")                                                   \
	X(MEMORY_REQUIRED, 83, "does-not-fit", "memory-required",                                 \
	  "the machine has less RAM than the Hermit image requires")                              \
	X(NO_ROOM_BELOW_IMAGE, 85, "no-arrangement", "no-room-below-image",                       \
	  "no RAM below the image for the hand-over block")                                       \
	X(NO_ROOM_TO_MOVE, 85, "no-arrangement", "no-room-to-move",                               \
	  "image, file and loader overlap, and there is no RAM to move one of them")              \
	X(MULTIBOOT_MAGIC, 87, "bad-start", "multiboot-magic",                                    \
	  "not started by a boot loader of its Multiboot version (EAX)")                          \
	X(MULTIBOOT_INFO, 87, "bad-start", "multiboot-info",                                      \
	  "the Multiboot information is not in readable memory")                                  \
	X(MULTIBOOT_MODULE, 87, "bad-start", "multiboot-module",                                  \
	  "the first module's addresses are not a range of memory")                               \
	X(START_STATE, 87, "bad-start", "start-state",                                            \
	  "registers or memory at the entry point do not match the boot protocol")                \
	X(MEMORY_MAP_MISSING, 89, "bad-memory-map", "memory-map-missing",                         \
	  "the start information does not describe memory")                                       \
	X(MEMORY_MAP_MALFORMED, 89, "bad-memory-map", "memory-map-malformed",                     \
	  "the memory map's entries do not fill its length")                                      \
	X(MEMORY_MAP_TOO_LONG, 89, "bad-memory-map", "memory-map-too-long",                       \
	  "more memory ranges than the loader supports")                                          \
	X(MEMORY_MAP_EMPTY, 89, "bad-memory-map", "memory-map-empty",                             \
	  "the memory map has no usable RAM")                                                     \
	X(FIRMWARE_REFUSED, 91, "firmware-error", "firmware-refused",                             \
	  "a service of the firmware failed")                                                     \
	X(CMDLINE_TOO_LONG, 93, "bad-command-line", "cmdline-too-long",                           \
	  "the command line does not end within 64 KiB")                                          \
	X(CMDLINE_NOT_UTF8, 93, "bad-command-line", "cmdline-not-utf8",                           \
	  "the command line is not UTF-8; kernels panic on it")                                   \
	X(OPTION_UNKNOWN, 93, "bad-command-line", "option-unknown",                               \
	  "a loader.KEY=VALUE word with an unknown key")                                          \
	X(OPTION_VALUE, 93, "bad-command-line", "option-value",                                   \
	  "a loader.KEY=VALUE word with an unknown value")                                        \
	X(IMAGE_UNSUPPORTED, 95, "hermit-image", "hermit-image-unsupported",                      \
	  "a Hermit image of a version that this loader does not know")                           \
	X(CPU_NO_LONG_MODE, 97, "cpu-lacks-feature", "cpu-no-long-mode",                          \
	  "the CPU has no 64-bit mode")                                                           \
	X(INTERNAL_ASSERT, 99, "internal-error", "internal-assert",                               \
	  "an assertion of the loader failed: please report it")                                  \
	X(CPU_EXCEPTION, 101, "cpu-exception", "cpu-exception",                                   \
	  "the CPU raised an exception inside the loader")                                        \
	X(FDT_MISSING, 103, "bad-device-tree", "fdt-missing",                                     \
	  "the firmware passed no device tree")                                                   \
	X(FDT_MALFORMED, 103, "bad-device-tree", "fdt-malformed",                                 \
	  "the device tree violates its format")                                                  \
	X(FDT_CONTENT, 103, "bad-device-tree", "fdt-content",                                     \
	  "a property of the device tree has an impossible value")                                \
	X(GZIP_TRUNCATED, 105, "bad-gzip", "gzip-truncated", "the gzip file ends too early")      \
	X(GZIP_MALFORMED, 105, "bad-gzip", "gzip-malformed", "the gzip file violates its format") \
	X(GZIP_CHECKSUM, 105, "bad-gzip", "gzip-checksum",                                        \
	  "the checksum of a gzip file's contents is wrong")                                      \
	X(ARCHIVE_MALFORMED, 107, "bad-image", "archive-malformed",                               \
	  "a gzip file contains neither an ELF file nor a tar archive, or a damaged one")         \
	X(ARCHIVE_NO_CONFIG, 107, "bad-image", "archive-no-config",                               \
	  "the archive has no hermit.toml: it is no Hermit image")                                \
	X(ARCHIVE_NO_KERNEL, 107, "bad-image", "archive-no-kernel",                               \
	  "the Hermit image has no file of the name that its hermit.toml gives")                  \
	X(CONFIG_SYNTAX, 109, "bad-image-config", "config-syntax",                                \
	  "a line of hermit.toml that the loader does not understand")                            \
	X(CONFIG_VALUE, 109, "bad-image-config", "config-value",                                  \
	  "a key of hermit.toml is missing or has a value of the wrong kind")

enum status {
	STATUS_OK,
#define X(name, number, class, rule, sentence) STATUS_##name,
	STATUS_LIST(X)
#undef X
		STATUS_COUNT
};

// The number that leaves the machine (0 for STATUS_OK), and the rule word of the error line.
unsigned status_number(enum status status);
const char *status_word(enum status status);

// For functions that pass a status up unchanged.
#define TRY(call)                                 \
	do {                                      \
		enum status try_status_ = (call); \
		if (try_status_ != STATUS_OK)     \
			return try_status_;       \
	} while (0)
