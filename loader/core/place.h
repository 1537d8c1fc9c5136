// SPDX-License-Identifier: Apache-2.0 OR MIT
// Where everything goes, decided before anything is written. Addresses are physical.
//
// The application's place may cover its own file, what the starter left, or the loader itself. From
// the cheapest:
//   - nothing overlaps: segments are copied in ascending order;
//   - the image lies above or on its file, segment by segment: they are copied from the last to the
//   first, each backwards;
//   - else the file is moved away first;
//   - where the image covers the loader, it is made ready in `staging`, and the trampoline, which
//   runs in `block`, moves it to `image`.
#pragma once

#include "core/elf.h"
#include "core/range.h"

// Kernels round the image to this on both sides and take the RAM above it.
#define IMAGE_ALIGN MIB(2)

// What a CPU's kernels and page tables ask of places: data of arch/.
struct place_rules {
	// The block lies in one unit of this many bytes (a power of two), and that in the first GiB
	// or in the image's; 0: anywhere below the image.
	uint64_t block_boundary;
	// Staging lies in the GiB of the image.
	bool staging_in_image_gib;
	struct range excluded[2]; // never handed out; empty ranges say nothing
	// Where the RAM that the boot information tells of ends at most, since kernels up to 0.11
	// use the addresses from there on; 0: no such bound.
	uint64_t reported_ram_limit;
	// By pages of which size the image is mapped; 0: nothing is mapped at all.
	uint64_t image_page_size;
};

struct place_request {
	const struct place_rules *rules;
	const struct elf_image *image;
	const struct range_set *usable; // free RAM
	// where an image that may lie anywhere goes if there is room; empty: it makes no difference
	struct range preferred;
	struct range reach; // what the loader can address
	struct range loader;
	struct range file; // where the application's bytes lie
	// what the starter left and is still read until the block is written
	struct range preserved[4];
	size_t preserved_count;
};

struct place {
	struct range image; // where the application runs
	// what is handed over, below the image, in one 2 MiB unit of the first GiB or of the
	// image's GiB
	struct range block;
	// where the image is made ready; the same as `image` unless that covers the loader
	struct range staging;
	// from where the segments are copied; another place than the request's when the file is
	// moved first
	struct range file;
	bool backwards; // copy the last segment first, backwards
};

// First the image, which decides how large the page tables are; then everything else around it,
// with the block's size in bytes (below 2 MiB).
must_check enum status place_image(const struct place_request *request, struct place *out);
must_check enum status place_others(const struct place_request *request, uint64_t block_size,
				    struct place *out);
