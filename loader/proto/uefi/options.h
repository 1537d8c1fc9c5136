// SPDX-License-Identifier: Apache-2.0 OR MIT
// Load options: what the boot entry, the shell, or QEMU's -append says. Pure functions.
#pragma once

#include "core/span.h"

#define INITRD_MAX 256

struct load_options {
	// they are text at all, and not empty but for `initrd=`
	bool text;
	bool has_initrd;
	// path with backslashes and its NUL, as the firmware opens it
	uint16_t initrd[INITRD_MAX];
	size_t size; // bytes of UTF-8 that have been written
};

// How many bytes options_read() writes at most for so many bytes of options.
size_t options_bound(uint32_t size);

// `size` bytes of UCS-2 at `options` (any alignment), up to the first NUL. What is not text (odd
// size, control characters, halves of surrogate pairs) is taken as none. With `program` the first
// word is the loader's own name, and is dropped. A word initrd=PATH at the beginning or at the end
// names the application; everything else goes to `out` as UTF-8. False: the path is longer than
// INITRD_MAX.
must_check bool options_read(const uint8_t *options, uint32_t size, bool program, char *out,
			     struct load_options *found);
