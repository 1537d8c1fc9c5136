// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// An application: parse, notes, place, load, relocate.
#include <stdlib.h>

#include "core/notes.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct elf_image image;
	static struct range_set usable = { 1, { { 0x1000, MIB(64) } } };
	struct place_request request = { .image = &image,
					 .usable = &usable,
					 .mappable = { 0, FAKE_REACH },
					 .loader = { 0x100000, 0x110000 } };
	struct placement place;
	struct notes notes;
	console_open();
	if (elf_parse((struct span){ data, n }, &elf_target_x86_64, &image) != STATUS_OK ||
	    notes_read(&image, &notes) != STATUS_OK)
		return 0;
	request.file = (struct range){ 0x110000, 0x110000 + n };
	if (place_image(&request, &place) != STATUS_OK ||
	    place_block_and_copies(&request, 0xd000, &place) != STATUS_OK)
		return 0;
	struct window to = { malloc(image.size), place.image.start, image.size };
	load_segments(&image, data, to, false);
	if (image.dyn && load_relocate(&image, to, place.image.start) != STATUS_OK)
		to.n = 0;
	free(to.p);
	return 0;
}
