// SPDX-License-Identifier: Apache-2.0 OR MIT
// Loading: copies segments to memory and relocates the image there. Afterwards hand_over() in
// boot.c writes the boot info of era h0, which is part of the image, and the trampoline moves an
// image that was not built in its place.
#pragma once

#include "core/elf.h"
#include "core/range.h"

// Copies the segments from `file` to `to`, which has the image's size, and zeroes the rest of `to`.
// `file` holds the bytes that elf_parse() checked; it may have moved since. `file` and `to` may
// overlap as place.h allows; `backwards` is from there.
void load_segments(const struct elf_image *image, const uint8_t *file, struct window to,
		   bool backwards);

// Relocates the image in `to` for the physical address `run_address`, which differs from to.base if
// the trampoline moves the image. ET_EXEC files have the load bias 0. Each entry is checked when it
// is read: the tables are part of the image, so an earlier relocation may have changed them.
// Refuses with class 79.
must_check enum status load_relocate(const struct elf_image *image, struct window to,
				     uint64_t run_address);
