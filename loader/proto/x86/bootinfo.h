// SPDX-License-Identifier: Apache-2.0 OR MIT
// What Multiboot, PVH and the Linux entry leave in much the same way. All fields are little-endian.
// Refusals have been printed.
#pragma once

#include "core/boot.h"

struct bootinfo_reader {
	void *(*map)(struct range);
	struct boot *boot;       // `reach` is set
	enum status unreachable; // what an address out of reach is refused for
};

// [at, at + size) as a span, kept from being written. False: not in reach.
must_check bool bootinfo_span(const struct bootinfo_reader *reader, uint64_t at, uint64_t size,
			      struct span *out);

// A command line that ends with its NUL, or after `most` bytes when these are fewer than
// CMDLINE_MAX.
must_check enum status bootinfo_cmdline(const struct bootinfo_reader *reader, uint64_t at,
					uint64_t most);

// The application, the first of `count` modules.
must_check enum status bootinfo_app(const struct bootinfo_reader *reader, uint64_t at,
				    uint64_t size, uint32_t count);

// A memory map is gone through twice: first what is free, then everything else is taken away, in
// whatever order the entries stand and overlap.
enum bootinfo_pass { BOOTINFO_ADD_RAM, BOOTINFO_REMOVE_RESERVED };
must_check enum status bootinfo_memory_entry(const struct bootinfo_reader *reader,
					     enum bootinfo_pass pass, struct range range,
					     bool is_ram);
// to be asked behind the second pass
must_check enum status bootinfo_require_memory(const struct bootinfo_reader *reader);

// Both passes for an E820 map: entries of `stride` bytes, the first 20 of which are address, size
// and type. RAM is what has type 1 and no other.
must_check enum status bootinfo_e820(const struct bootinfo_reader *reader, struct span map,
				     size_t stride);

// ACPI's root pointer (ACPI 6.4, 5.2.5.3). `at` is 0 when there is none; one that is not sound is
// warned of and left out.
void bootinfo_rsdp(const struct bootinfo_reader *reader, uint64_t at);
