// SPDX-License-Identifier: Apache-2.0 OR MIT
// Hermit's notes (crate hermit-entry): what an application says of itself.
#pragma once

#include "core/elf.h"

struct notes {
	bool has_entry_version;  // name "HERMIT", type 0x5a00
	bool has_kernel_version; // GNU ABI tag with OS id 6
	uint8_t entry_version;
	uint32_t kernel[3]; // major, minor, patch
};

// Looks through every PT_NOTE. Notes of other owners are passed over.
must_check enum status notes_read(const struct elf_image *image, struct notes *out);
