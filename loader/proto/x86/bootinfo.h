// SPDX-License-Identifier: Apache-2.0 OR MIT
// Readers for what the x86 boot protocols have in common: command line, modules, memory map, RSDP.
// Addresses are physical, all fields little-endian. Refusals have been printed.
#pragma once

#include "core/boot.h"

// How to read the boot information, and the struct boot that the functions fill.
struct bootinfo_reader {
	void *(*map)(struct range);
	struct boot *boot;       // `reach` is set
	enum status unreachable; // the rule for an address that cannot be mapped
};

// Maps [at, at + size) and adds it to boot->preserved, so that no one overwrites it. False: out of
// reach.
must_check bool bootinfo_span(const struct bootinfo_reader *reader, uint64_t at, uint64_t size,
			      struct span *out);

// Reads a command line. It ends at its NUL, or after `most` bytes if that is at most CMDLINE_MAX.
must_check enum status bootinfo_cmdline(const struct bootinfo_reader *reader, uint64_t at,
					uint64_t most);

// Sets the application: the first of `count` modules.
must_check enum status bootinfo_app(const struct bootinfo_reader *reader, uint64_t at,
				    uint64_t size, uint32_t count);

// Memory maps may be unsorted and overlap. Two passes make the more restrictive type win: the first
// adds RAM, the second removes everything else.
enum bootinfo_pass { BOOTINFO_ADD_RAM, BOOTINFO_REMOVE_RESERVED };
must_check enum status bootinfo_memory_entry(const struct bootinfo_reader *reader,
					     enum bootinfo_pass pass, struct range range,
					     bool is_ram);
// Refuses a map without usable RAM. Call it after both passes.
must_check enum status bootinfo_require_memory(const struct bootinfo_reader *reader);

// Both passes for an E820 map (ACPI 6.4, 15.4): entries of `stride` bytes with address (8), size
// (8) and type (4). Type 1 is RAM.
must_check enum status bootinfo_e820(const struct bootinfo_reader *reader, struct span map,
				     size_t stride);

// Copies ACPI's root pointer, the RSDP (ACPI 6.4, 5.2.5.3). `at` is 0 if there is none. An invalid
// one is ignored with a warning.
void bootinfo_rsdp(const struct bootinfo_reader *reader, uint64_t at);
