// SPDX-License-Identifier: Apache-2.0 OR MIT
// Load options of a UEFI image (3.1.3, 9.1): from a boot entry, the shell or QEMU's -append. Pure
// functions, which host tests call.
#pragma once

#include "core/span.h"

#define INITRD_MAX 256

struct load_options {
	// There is text other than initrd= and blanks.
	bool text;
	// initrd=PATH was given.
	bool has_initrd;
	// The path with backslashes and NUL, as EFI_FILE_PROTOCOL.Open expects it.
	uint16_t initrd[INITRD_MAX];
	// Bytes of UTF-8 in `out`.
	size_t size;
};

// The maximum number of bytes that options_read() writes for `size` bytes of options.
size_t options_bound(uint32_t size);

// Reads `size` bytes of UCS-2 at `options` (any alignment), up to the first NUL. Options that are
// not text (odd size, control characters, unpaired surrogates) count as empty. With `program` the
// first word is the loader's name and is dropped. initrd=PATH as the first or last word names the
// application. Everything else is written to `out` as UTF-8. False: the path is too long.
must_check bool options_read(const uint8_t *options, uint32_t size, bool program, char *out,
			     struct load_options *found);
