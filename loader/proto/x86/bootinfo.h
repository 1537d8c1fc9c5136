// SPDX-License-Identifier: Apache-2.0 OR MIT
// What Multiboot, PVH and the Linux entry leave in much the same way. All fields are little-endian.
// Refusals have been printed.
#pragma once

#include "core/boot.h"

struct left {
	void *(*map)(struct range);
	struct boot *boot;  // `reach` is set
	enum status beyond; // what an address out of reach is refused for
};

// [at, at + size) as a span, kept from being written. False: not in reach.
must_check bool left_show(const struct left *left, uint64_t at, uint64_t size, struct span *out);

// A command line that ends with its NUL, or after `most` bytes when these are fewer than
// CMDLINE_MAX.
must_check enum status left_cmdline(const struct left *left, uint64_t at, uint64_t most);

// The application, the first of `count` modules.
must_check enum status left_app(const struct left *left, uint64_t at, uint64_t size,
				uint32_t count);

// A memory map is gone through twice: first what is free, then everything else is taken away, in
// whatever order the entries stand and overlap.
enum left_pass { LEFT_ADD, LEFT_REMOVE };
must_check enum status left_range(const struct left *left, enum left_pass pass, struct range range,
				  bool is_ram);
// to be asked behind the second pass
must_check enum status left_any_memory(const struct left *left);

// Both passes for an E820 map: entries of `stride` bytes, the first 20 of which are address, size
// and type. RAM is what has type 1 and no other.
must_check enum status left_memory(const struct left *left, struct span map, size_t stride);

// ACPI's root pointer (ACPI 6.4, 5.2.5.3). `at` is 0 when there is none; one that is not sound is
// warned of and left out.
void left_rsdp(const struct left *left, uint64_t at);
