// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// An application from file to placement: parse, notes, era, place, load, relocate. What is loaded
// must be what elf_model.c reads in the file.
#include "core/era/era.h"
#include "test/elf_model.h"
#include "test/fuzz/fuzz.h"

// More memory than this takes long to load, and shows nothing else.
#define IMAGE_MAX MIB(4)

static void check_image(const struct elf_image *image, struct span file, struct window to)
{
	struct model model = model_load(file, to.base);
	FUZZ_CHECK(model.size == image->size);
	FUZZ_CHECK(model.entry == image->entry + (to.base - image->vaddr));
	FUZZ_CHECK(memcmp(model.bytes, to.p, to.n) == 0);
	free(model.bytes);
}

static void check_placement(const struct place_request *request, const struct placement *place)
{
	FUZZ_CHECK(range_size(place->image) == request->image->size);
	FUZZ_CHECK((place->image.start - request->image->vaddr) % request->image->align == 0);
	FUZZ_CHECK(range_set_contains(request->usable, place->image));
	FUZZ_CHECK(range_set_contains(request->usable, place->block));
	FUZZ_CHECK(range_set_contains(request->usable, place->staging));
	FUZZ_CHECK(place->block.end <= place->image.start);
	FUZZ_CHECK(!range_overlaps(place->block, request->loader));
	FUZZ_CHECK(!range_overlaps(place->block, request->file));
	FUZZ_CHECK(!range_overlaps(place->staging, request->loader));
	FUZZ_CHECK(!range_overlaps(place->staging, place->block));
	if (place->file.start != request->file.start)
		FUZZ_CHECK(!range_overlaps(place->file, place->image) &&
			   !range_overlaps(place->file, request->loader));
}

static void load(const struct elf_image *image, const uint8_t *data, size_t n,
		 const struct placement *place)
{
	struct window to = { malloc(image->size), place->image.start, image->size };
	load_segments(image, data, to, false);
	if (load_relocate(image, to, place->image.start) == STATUS_OK)
		check_image(image, (struct span){ data, n }, to);
	free(to.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct elf_image image;
	static const struct range_set usable = { 1, { { 0x1000, MIB(64) } } };
	struct place_request request = { .rules = &arch_place_rules,
					 .image = &image,
					 .usable = &usable,
					 .mappable = { 0, FAKE_REACH },
					 .loader = { 0x100000, 0x110000 },
					 .file = { 0x110000, 0x110000 + n } };
	struct placement place;
	struct notes notes;
	const struct era *era;
	console_open();
	(void)elf_guess_size(data, n, &elf_target_x86_64);
	if (elf_parse((struct span){ data, n }, &elf_target_x86_64, &image) != STATUS_OK ||
	    notes_read(&image, &notes) != STATUS_OK ||
	    era_identify(&notes, &image, 0, &era) != STATUS_OK || image.size > IMAGE_MAX)
		return 0;
	if (place_image(&request, &place) != STATUS_OK ||
	    place_block_and_copies(&request, 0xd000, &place) != STATUS_OK)
		return 0;
	check_placement(&request, &place);
	load(&image, data, n, &place);
	return 0;
}
