// SPDX-License-Identifier: Apache-2.0 OR MIT
// The only writer of the application's memory.
#pragma once

#include "core/elf.h"

// Memory that may be written: [base, base + n) of physical addresses, seen at p.
struct window {
	uint8_t *p;
	uint64_t base;
	size_t n;
};

// Copies the segments from `file` (the bytes that elf_parse saw, now perhaps elsewhere) to `to`,
// which has the image's size, and zeroes the rest of `to`.
void load_segments(const struct elf_image *image, const uint8_t *file, struct window to,
		   bool backwards);

// Relocates the image in `to` so that it runs at the physical address `run_address`. A file that is
// not ET_DYN has nothing to relocate. Each entry is checked as it is read, since the tables lie in
// the memory that is being changed.
must_check enum status load_relocate(const struct elf_image *image, struct window to,
				     uint64_t run_address);
