// SPDX-License-Identifier: Apache-2.0 OR MIT
// The ELF notes of a Hermit application (crate hermit-entry). They identify the kernel's boot ABI.
#pragma once

#include "core/elf.h"

// Images of era h0 have no entry-version note. In `entry_version` of struct era and struct
// loader_options, this number stands for h0: a note cannot say 256, since its version has one byte.
#define ENTRY_VERSION_H0 256

struct notes {
	// Owner "HERMIT", type 0x5a00: one byte. Kernels have it since 0.4.3.
	bool has_entry_version;
	// GNU ABI tag with OS id 6 (Hermit). Kernels have it since 0.10.0.
	bool has_kernel_version;
	uint8_t entry_version;
	uint32_t kernel[3]; // major, minor, patch
	// Owner "UHYVEIF", type 0x5b00: version of the interface to uhyve; 0 without the note.
	// Kernels since 0.12.0 have it if they are built to run in uhyve as well.
	uint32_t uhyve_interface;
};

// Reads the notes of every PT_NOTE segment: a linker may put .note.gnu.property before Hermit's
// note. Refuses a note that exceeds its segment, an entry version of another size than one byte,
// and two entry versions that differ (class 81). Ignores other owners, and the other two notes if
// they have a wrong size. Of two kernel versions, or two uhyve interfaces, the last one counts.
must_check enum status notes_read(const struct elf_image *image, struct notes *out);
