// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/handover.h"
#include "test/fake.h"
#include "test/test.h"

enum { BLOCK_SIZE = 0xd000 };

// A machine with 64 MiB whose loader is at 1 MiB and whose file follows it. What a test is about,
// it changes.
static struct range_set usable;
static struct elf_image image;
static struct place_request request;
static struct placement place;

static void must(enum status status)
{
	CHECK_STR(status == STATUS_OK ? "" : console_text(), "");
}

static void start(bool dyn, uint64_t vaddr, uint64_t size)
{
	console_open();
	usable = (struct range_set){ 0 };
	must(range_set_add(&usable, (struct range){ 0, 0x9fc00 }));
	must(range_set_add(&usable, (struct range){ MIB(1), MIB(64) }));
	image = (struct elf_image){
		.dyn = dyn, .vaddr = vaddr, .size = size, .align = 16, .segment_count = 1
	};
	image.segments[0] = (struct elf_segment){ 0x1000, 0x8000, vaddr, size };
	request = (struct place_request){
		.rules = &arch_place_rules,
		.image = &image,
		.usable = &usable,
		.mappable = { 0, GIB(4) },
		.loader = { 0x100000, 0x114000 },
		.file = { 0x115000, 0x11e000 },
	};
	place = (struct placement){ 0 };
}

static enum status run(void)
{
	TRY(place_image(&request, &place));
	return place_block_and_copies(&request, BLOCK_SIZE, &place);
}

static void check_range(struct range got, uint64_t start, uint64_t end)
{
	CHECK_EQ(got.start, start);
	CHECK_EQ(got.end, end);
}

static void nothing_overlaps(void)
{
	start(true, 0, 0x9c600);
	must(run());
	check_range(place.image, 0x200000, 0x29c600);
	check_range(place.block, 0x9000, 0x9000 + BLOCK_SIZE); // after page 0x8000
	check_range(place.staging, 0x200000, 0x29c600);
	check_range(place.file, 0x115000, 0x11e000);
	CHECK(!place.backwards);
}

static void the_preferred_range_takes_precedence(void)
{
	start(true, 0, 0x9c600);
	request.preferred = (struct range){ 0x1234567, MIB(64) };
	must(run());
	check_range(place.image, 0x1400000, 0x149c600);
	request.preferred.end = 0x1400000 + image.size - 1;
	must(run());
	check_range(place.image, 0x200000, 0x29c600);
	image.dyn = false;
	image.vaddr = 0x812345;
	request.preferred.end = MIB(64);
	must(run());
	CHECK_EQ(place.image.start, 0x812345);
}

static void fixed_images_keep_their_link_address(void)
{
	start(false, 0x812345, 0x100);
	must(run());
	check_range(place.image, 0x812345, 0x812445);
	check_range(place.staging, 0x812345, 0x812445);
}

static void fixed_must_be_free_ram(void)
{
	start(false, MIB(63), MIB(1) + 1);
	CHECK_REFUSED(run(), IMAGE_NOT_IN_RAM,
		      "83 image-not-in-ram: the application's fixed address range "
		      "0x3f00000..0x4000001 is not free RAM: 0x4000000 is used or no RAM");
	start(false, MIB(63), MIB(1));
	must(run());
}

static void fixed_must_be_in_reach(void)
{
	start(false, GIB(4) - 0x1000, 0x1001);
	must(range_set_add(&usable, (struct range){ GIB(3), GIB(5) }));
	CHECK_REFUSED(run(), IMAGE_NOT_IN_RAM,
		      "83 image-not-in-ram: the application's fixed address range "
		      "0xfffff000..0x100000001 is out of reach: "
		      "0x100000000 is the limit");
}

static void dyn_finds_no_room(void)
{
	start(true, 0, MIB(62) + 1);
	CHECK_REFUSED(run(), IMAGE_NO_ROOM,
		      "83 image-no-room: the application needs 0x3e00001 contiguous bytes of RAM "
		      "at a multiple of 0x200000");
	start(true, 0, MIB(62));
	must(run());
	start(true, 0, 0x1000);
	image.align = MIB(64);
	CHECK_REFUSED(run(), IMAGE_NO_ROOM,
		      "83 image-no-room: the application needs 0x1000 contiguous bytes of RAM at a "
		      "multiple of 0x4000000");
	start(true, 0, 0x1000);
	image.align = MIB(32);
	must(run());
	CHECK_EQ(place.image.start, MIB(32));
}

// The first segment begins inside a page: `. = SIZEOF_HEADERS`, ld -N.
static void the_load_bias_is_a_multiple_of_the_alignment(void)
{
	for (uint64_t align = 1; align <= MIB(8); align *= 2) {
		start(true, 0x123456, 0x1000);
		image.align = align;
		test_case("alignment %lx", align);
		must(run());
		CHECK_EQ((place.image.start - image.vaddr) % align, 0);
		CHECK_EQ(range_size(place.image), 0x1000);
		// no higher than it must be
		uint64_t unit = align > MIB(2) ? align : MIB(2);
		CHECK_EQ(place.image.start, unit + image.vaddr % align);
	}
	start(true, 0x120, MIB(62) - 0x120);
	image.align = 0x1000;
	must(run());
	check_range(place.image, 0x200120, MIB(64));
	start(true, 0x120, MIB(62) - 0x11f);
	image.align = 0x1000;
	CHECK_REFUSED(run(), IMAGE_NO_ROOM,
		      "83 image-no-room: the application needs 0x3dffee1 contiguous bytes of RAM "
		      "at a multiple of 0x200000");
}

static void dyn_keeps_off_the_loader(void)
{
	start(true, 0, 0x1000);
	request.loader = (struct range){ 0x100000, 0x900001 };
	must(run());
	CHECK_EQ(place.image.start, 0xa00000);
}

static void an_image_above_its_file_is_copied_backwards(void)
{
	start(true, 0, MIB(4));
	request.file = (struct range){ 0x1ff000, 0x208000 };
	// The segment's bytes are at 0x200000, which is also their destination.
	must(run());
	CHECK_EQ(place.image.start, 0x200000);
	check_range(place.file, 0x1ff000, 0x208000);
	CHECK(place.backwards);
}

static void an_image_below_its_file_is_placed_elsewhere(void)
{
	start(true, 0, MIB(4));
	request.file = (struct range){ 0x200000, 0x209000 };
	must(run());
	check_range(place.image, 0x400000, 0x800000);
	CHECK(!place.backwards);
}

static void without_another_place_the_file_is_moved(void)
{
	start(true, 0, MIB(61));
	request.file = (struct range){ 0x200000, 0x209000 };
	must(run());
	CHECK_EQ(place.image.start, 0x200000);
	check_range(place.file, 0x9000 + BLOCK_SIZE, 0x9000 + BLOCK_SIZE + 0x9000);
	CHECK(!place.backwards);
}

static void segments_in_another_order_than_in_the_file_are_moved(void)
{
	start(false, 0x200000, 0x20000);
	image.segment_count = 2;
	image.segments[0] = (struct elf_segment){ 0x5000, 0x1000, 0x210000, 0x1000 };
	image.segments[1] = (struct elf_segment){ 0x1000, 0x1000, 0x218000, 0x1000 };
	request.file = (struct range){ 0x200000, 0x209000 };
	must(run());
	CHECK(place.file.start != request.file.start && !place.backwards);
	CHECK(!range_overlaps(place.file, place.image) && !range_overlaps(place.file, place.block));
}

static void no_room_to_move_the_file(void)
{
	start(false, 0x200000, MIB(62));
	request.file = (struct range){ 0x300000, 0x500000 };
	CHECK_REFUSED(run(), NO_ROOM_TO_MOVE,
		      "85 no-room-to-move: the image 0x200000..0x4000000 overlaps its file "
		      "0x300000..0x500000 and no 0x200000 bytes are free to move it");
}

static void an_image_over_the_loader_is_staged(void)
{
	start(false, 0x200000, 0x300000);
	request.loader = (struct range){ 0x100000, 0x280000 };
	request.file = (struct range){ 0x281000, 0x28a000 };
	must(run());
	check_range(place.image, 0x200000, 0x500000);
	check_range(place.staging, 0x600000, 0x900000);
	CHECK_EQ(place.file.start, 0x281000);
	CHECK(!place.backwards);
}

static void staging_stays_in_the_images_gib(void)
{
	start(false, GIB(1) - MIB(2), MIB(2) - 1);
	must(range_set_add(&usable, (struct range){ MIB(64), GIB(2) }));
	request.loader = (struct range){ GIB(1) - MIB(1), GIB(1) - MIB(1) + 0x14000 };
	CHECK_REFUSED(run(), NO_ROOM_TO_MOVE,
		      "85 no-room-to-move: the image 0x3fe00000..0x3fffffff overlaps the loader "
		      "and no 0x200000 free bytes are above it, below 0x40000000");
}

static void the_block_avoids_the_start_information(void)
{
	start(true, 0, 0x1000);
	request.start_info[0] = (struct range){ 0x9500, 0x9600 };
	request.start_info[1] = (struct range){ 0x20000, 0x20001 };
	request.start_info_count = 2;
	must(run());
	check_range(place.block, 0xa000, 0xa000 + BLOCK_SIZE);
	request.start_info[1] = (struct range){ 0x16fff, 0x17000 };
	must(run());
	check_range(place.block, 0x17000, 0x17000 + BLOCK_SIZE);
}

static void the_block_is_below_the_image_when_low_memory_is_full(void)
{
	start(false, 0x800000, 0x1000);
	must(range_set_remove(&usable, (struct range){ 0, MIB(1) }));
	must(run());
	check_range(place.block, 0x11e000, 0x11e000 + BLOCK_SIZE);
	CHECK_EQ(usable.ranges[0].start, MIB(1));
}

// One page table shows the block, so it is within one unit of 2 MiB.
static void the_block_crosses_no_unit(void)
{
	start(false, 0x800000, 0x1000);
	usable = (struct range_set){ 0 };
	must(range_set_add(&usable, (struct range){ 0x1f8000, MIB(64) }));
	must(run());
	check_range(place.block, 0x200000, 0x200000 + BLOCK_SIZE);
}

static void the_block_may_be_in_the_images_gib(void)
{
	start(false, GIB(1) + MIB(8), 0x1000);
	usable = (struct range_set){ 0 };
	must(range_set_add(&usable, (struct range){ GIB(1), GIB(1) + MIB(64) }));
	request.loader = request.file = (struct range){ GIB(1), GIB(1) + 0x10000 };
	must(run());
	check_range(place.block, GIB(1) + 0x10000, GIB(1) + 0x10000 + BLOCK_SIZE);
}

// Multiboot information has 32-bit addresses.
static void the_block_is_below_4_gib(void)
{
	start(false, GIB(4) + MIB(8), 0x1000);
	request.mappable.end = GIB(8);
	usable = (struct range_set){ 0 };
	must(range_set_add(&usable, (struct range){ GIB(4), GIB(4) + MIB(64) }));
	request.loader = request.file = (struct range){ GIB(4), GIB(4) + 0x10000 };
	CHECK_REFUSED(run(), NO_ROOM_BELOW_IMAGE,
		      "85 no-room-below-image: no 0xd000 free bytes below the image at 0x100800000 "
		      "for the hand-over block");
}

static void no_room_below_the_image(void)
{
	start(false, 0x200000, 0x1000);
	usable = (struct range_set){ 0 };
	must(range_set_add(&usable, (struct range){ 0x1f4000, MIB(64) }));
	CHECK_REFUSED(run(), NO_ROOM_BELOW_IMAGE,
		      "85 no-room-below-image: no 0xd000 free bytes below the image at 0x200000 "
		      "for the hand-over block");
	start(false, 0x200000, 0x1000);
	usable = (struct range_set){ 0 };
	must(range_set_add(&usable, (struct range){ 0x1f3000, MIB(64) }));
	must(run());
	check_range(place.block, 0x1f3000, 0x200000);
}

// Without block_size_depends_on_image, an ET_DYN image goes up until the block has room below it.
static void an_image_moves_up_for_the_block(void)
{
	static const struct place_rules no_rules;
	static const struct range preferred[] = { { 0, 0 }, { MIB(4), MIB(8) } };
	for (size_t i = 0; i < countof(preferred); i++) {
		test_case("preferred %lx", preferred[i].start);
		start(true, 0, 0x1000);
		request.rules = &no_rules;
		request.preferred = preferred[i];
		usable = (struct range_set){ 0 };
		must(range_set_add(&usable, (struct range){ MIB(2), MIB(2) + 0x1000 }));
		must(range_set_add(&usable, (struct range){ MIB(4), MIB(4) + BLOCK_SIZE }));
		CHECK_REFUSED(run(), NO_ROOM_BELOW_IMAGE,
			      "85 no-room-below-image: no 0xd000 free bytes below the image at "
			      "0x400000 for the hand-over block");
		must(range_set_add(&usable, (struct range){ MIB(6), MIB(6) + 0x1000 }));
		must(run());
		check_range(place.image, MIB(6), MIB(6) + 0x1000);
		check_range(place.block, MIB(4), MIB(4) + BLOCK_SIZE);
	}
}

static void an_image_in_the_lowest_unit_has_nothing_below(void)
{
	start(false, 0x118000, 0x1000);
	CHECK_REFUSED(run(), NO_ROOM_BELOW_IMAGE,
		      "85 no-room-below-image: no 0xd000 free bytes below the image at 0x118000 "
		      "for the hand-over block");
}

static uint64_t random_state = 88172645463325252;

// `r` within 0..64 MiB.
static struct range random_range(uint64_t align, uint64_t most)
{
	uint64_t at = next_random(&random_state) % MIB(63) & ~(align - 1);
	struct range r = { at, at + 1 + next_random(&random_state) % most };
	return r;
}

// The rules of place.h that the rest of the loader relies on.
static void check_rules(void)
{
	bool moved = place.file.start != request.file.start,
	     staged = place.staging.start != place.image.start;
	CHECK(range_set_contains(&usable, place.image) && range_set_contains(&usable, place.block));
	CHECK(range_set_contains(&usable, place.staging));
	CHECK(place.block.end <= align_down(place.image.start, IMAGE_ALIGN) &&
	      range_size(place.block) == BLOCK_SIZE);
	CHECK(place.block.start / IMAGE_ALIGN == (place.block.end - 1) / IMAGE_ALIGN &&
	      place.block.start >= 0x1000);
	CHECK(!range_overlaps(place.block, (struct range){ 0x8000, 0x9000 }));
	CHECK(!range_overlaps(place.block, request.loader) &&
	      !range_overlaps(place.block, request.file));
	CHECK(!range_overlaps(place.staging, request.loader) &&
	      !range_overlaps(place.staging, place.block));
	CHECK(!staged || !range_overlaps(place.staging, place.image));
	CHECK(!moved || (!range_overlaps(place.file, request.file) &&
			 !range_overlaps(place.file, place.staging) &&
			 !range_overlaps(place.file, place.block) &&
			 !range_overlaps(place.file, request.loader)));
	CHECK(range_size(place.staging) == image.size &&
	      range_size(place.file) == range_size(request.file));
	CHECK(place.backwards == range_overlaps(place.file, place.staging));
	if (place.backwards)
		CHECK(place.staging.start >= place.file.start + 0x1000);
}

static void random_machines_keep_the_rules(void)
{
	unsigned good = 0;
	for (unsigned round = 0; round < 20000; round++) {
		struct range at = random_range(1, MIB(1) << next_random(&random_state) % 6);
		start(next_random(&random_state) % 2 != 0, at.start, range_size(at));
		for (unsigned hole = 0; hole < next_random(&random_state) % 6; hole++)
			must(range_set_remove(&usable, random_range(1, MIB(4))));
		request.loader = random_range(PAGE_SIZE, MIB(1) << next_random(&random_state) % 5);
		request.file = random_range(PAGE_SIZE, MIB(8));
		image.segments[0].filesz = range_size(request.file) > 0x1000
						   ? range_size(request.file) - 0x1000
						   : 0;
		if (image.segments[0].filesz > image.size)
			image.segments[0].filesz = image.size;
		if (range_overlaps(request.loader, request.file))
			continue;
		test_case("round %u", round);
		if (run() != STATUS_OK)
			continue;
		good++;
		check_rules();
	}
	CHECK(good > 1000);
}

#define T(name) { #name, name }
SUITE(place, T(nothing_overlaps), T(the_preferred_range_takes_precedence),
      T(fixed_images_keep_their_link_address), T(fixed_must_be_free_ram), T(fixed_must_be_in_reach),
      T(dyn_finds_no_room), T(the_load_bias_is_a_multiple_of_the_alignment),
      T(dyn_keeps_off_the_loader), T(an_image_above_its_file_is_copied_backwards),
      T(an_image_below_its_file_is_placed_elsewhere), T(without_another_place_the_file_is_moved),
      T(segments_in_another_order_than_in_the_file_are_moved), T(no_room_to_move_the_file),
      T(an_image_over_the_loader_is_staged), T(staging_stays_in_the_images_gib),
      T(the_block_avoids_the_start_information),
      T(the_block_is_below_the_image_when_low_memory_is_full), T(the_block_crosses_no_unit),
      T(the_block_may_be_in_the_images_gib), T(the_block_is_below_4_gib),
      T(no_room_below_the_image), T(an_image_moves_up_for_the_block),
      T(an_image_in_the_lowest_unit_has_nothing_below), T(random_machines_keep_the_rules));
