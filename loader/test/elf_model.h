// SPDX-License-Identifier: Apache-2.0 OR MIT
// What loading an ELF file means, written a second time and as plainly as possible. For
// little-endian x86-64 files that the loader has accepted.
#pragma once

#include "core/span.h"

struct model {
	uint64_t vaddr, size; // of the image
	uint64_t entry;
	uint8_t *bytes; // of the image, at `run_at`; the caller frees
};

// Segments, zeroes, relocations.
struct model model_load(struct span file, uint64_t run_at);
