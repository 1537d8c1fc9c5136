// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Placement. Searches take the lowest suitable address, in the preferred range first: kernels up to
// 0.11 lose the memory below the image. Only place_unpacked() takes the highest one.
#include "core/place.h"

#include "core/log.h"

// Two excluded ranges, loader, image, file, block, and the start information.
#define BUSY_MAX (6 + START_INFO_MAX)

struct busy {
	size_t count;
	struct range ranges[BUSY_MAX];
};

static void busy_add(struct busy *busy, struct range r)
{
	busy->ranges[busy->count++] = r;
}

// What each search must avoid:
//
//   image of ET_DYN              excluded ranges, loader
//   unpacked file                the same, the file, the start information
//   block, staging, file's copy  the same, the image, and each other
//
// This function returns the first row; the searches add the rest. (An ET_EXEC image has one place
// only, and may overlap all of them.)
static struct busy initially_busy(const struct place_request *request)
{
	struct busy busy = { 0 };
	for (size_t i = 0; i < countof(request->rules->excluded); i++)
		busy_add(&busy, request->rules->excluded[i]);
	busy_add(&busy, request->loader);
	return busy;
}

static bool find_free(const struct place_request *request, const struct busy *busy,
		      const struct range_constraints *want, struct range *out)
{
	struct range_constraints mappable = *want;
	mappable.within = range_intersection(want->within, request->mappable);
	return range_find(request->usable, busy->ranges, busy->count, &mappable, out);
}

// Returns true if copying in descending order is safe: every segment goes to or above its own file
// bytes, and the file has the segments in ascending order. So segment i is written above the file
// bytes of segments 0 to i - 1, and overwrites nothing that is still to be copied. This holds for a
// segment without file bytes, too: it lies above the segment before it.
static bool can_copy_backwards(const struct elf_image *image, struct range file, struct range to)
{
	uint64_t before = 0;
	for (uint32_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];
		if (s->filesz == 0)
			continue;
		if (s->offset < before ||
		    to.start + (s->vaddr - image->vaddr) < file.start + s->offset)
			return false;
		before = s->offset + s->filesz;
	}
	return true;
}

static bool file_can_stay(const struct place_request *request, struct range to)
{
	return !range_overlaps(request->file, to) ||
	       can_copy_backwards(request->image, request->file, to);
}

// ET_EXEC: the image runs at its link-time address or not at all.
static enum status place_fixed(const struct place_request *request, struct range *out)
{
	const struct elf_image *image = request->image;
	const struct range_set *free = request->free_later != NULL ? request->free_later
								   : request->usable;
	*out = (struct range){ image->vaddr, image->vaddr + image->size };
	if (range_set_contains(free, *out) && range_inside(*out, request->mappable))
		return STATUS_OK;
	uint64_t at = range_set_first_outside(free, *out);
	const char *fault = "not free RAM", *type = "used or no RAM";
	if (at == out->end) {
		// No byte is outside, and ranges of a set do not touch, so one range contains the
		// image. What failed is `mappable`, which begins at 0: the image ends above it.
		at = request->mappable.end;
		fault = "out of reach";
		type = "the limit";
	} else if (request->memory_type != NULL)
		type = request->memory_type(at);
	return refuse(STATUS_IMAGE_NOT_IN_RAM,
		      "the application's fixed address range %#lx..%#lx is %s: %#lx is %s",
		      out->start, out->end, fault, at, type);
}

static uint64_t image_align(const struct elf_image *image)
{
	return image->align > IMAGE_ALIGN ? image->align : IMAGE_ALIGN;
}

// Finds a range for the image at or above `from`, in the preferred range if possible. The load bias
// is a multiple of the largest p_align (gABI chapter 7, Base Address). So the image keeps its
// link-time address modulo p_align: it begins `skew` bytes into an aligned range.
static bool find_image(const struct place_request *request, const struct busy *busy, uint64_t from,
		       struct range *out)
{
	const struct range above = { from, UINT64_MAX };
	const uint64_t skew = request->image->vaddr & (request->image->align - 1);
	struct range_constraints want = {
		.size = request->image->size + skew,
		.align = image_align(request->image),
		.within = range_intersection(above, request->preferred),
	};
	bool found = find_free(request, busy, &want, out);
	if (!found) {
		want.within = above;
		found = find_free(request, busy, &want, out);
	}
	out->start += found ? skew : 0;
	return found;
}

// ET_DYN: finds a range at or above `from`, if possible one where the image does not destroy its
// file. Returns false, and leaves `out` unchanged, if there is none.
static bool find_anywhere(const struct place_request *request, uint64_t from, struct range *out)
{
	struct busy busy = initially_busy(request);
	if (!find_image(request, &busy, from, out))
		return false;
	// If every range destroys the file, the first one stays, and place_file() moves the file.
	if (!file_can_stay(request, *out)) {
		busy_add(&busy, request->file);
		(void)find_image(request, &busy, from, out);
	}
	return true;
}

static enum status place_anywhere(const struct place_request *request, struct range *out)
{
	// Below IMAGE_ALIGN there is no room for the block, which is below the image.
	if (find_anywhere(request, IMAGE_ALIGN, out))
		return STATUS_OK;
	return refuse(STATUS_IMAGE_NO_ROOM,
		      "the application needs %#lx contiguous bytes of RAM at a multiple of %#lx",
		      request->image->size, image_align(request->image));
}

// Also adds to `busy` what staging and the copy of the file must not overlap.
static must_check bool place_block(const struct place_request *request, uint64_t size,
				   struct busy *busy, struct placement *out)
{
	const struct place_rules *rules = request->rules;
	// The block is below the image. Kernels up to 0.11 use all RAM above the image as soon as
	// they run, even reserved ranges, and none below it.
	uint64_t top = align_down(out->image.start, IMAGE_ALIGN);
	if (rules->block_limit != 0 && rules->block_limit < top)
		top = rules->block_limit;
	struct range_constraints want = {
		.size = size,
		.align = PAGE_SIZE,
		.boundary = rules->block_boundary,
		.within = { 0, top },
	};
	// place_rules.block_boundary: tries GiB 0, then the GiB where the image begins.
	if (rules->block_boundary != 0 && top > GIB(1))
		want.within.end = GIB(1);
	busy_add(busy, out->image);
	busy_add(busy, request->file);
	for (size_t i = 0; i < request->start_info_count; i++)
		busy_add(busy, request->start_info[i]);
	bool found = find_free(request, busy, &want, &out->block);
	if (!found && rules->block_boundary != 0) {
		want.within = (struct range){ align_down(out->image.start, GIB(1)), top };
		found = find_free(request, busy, &want, &out->block);
	}
	busy_add(busy, out->block);
	return found;
}

// The image cannot be built where it runs: the loader or the firmware still uses that memory.
static bool needs_staging(const struct place_request *request, struct range image)
{
	return range_overlaps(image, request->loader) ||
	       !range_set_contains(request->usable, image);
}

// Staging shares no 2 MiB page with the image, because the trampoline of x86_64 unmaps the pages of
// staging after the move.
static enum status place_staging(const struct place_request *request, const struct busy *busy,
				 struct placement *out)
{
	// With staging_in_image_gib, `within` is empty if the image ends exactly at a GiB.
	struct range_constraints want = {
		.size = align_up(request->image->size, PAGE_SIZE),
		.align = IMAGE_ALIGN,
		.within = { align_up(out->image.end, IMAGE_ALIGN),
			    request->rules->staging_in_image_gib ? align_up(out->image.end, GIB(1))
								 : request->mappable.end },
	};
	if (!find_free(request, busy, &want, &out->staging))
		return refuse(
			STATUS_NO_ROOM_TO_MOVE,
			"the image %#lx..%#lx overlaps %s and no %#lx free bytes are above it, "
			"below %#lx",
			out->image.start, out->image.end,
			range_overlaps(out->image, request->loader) ? "the loader" : "the firmware",
			want.size, want.within.end);
	out->staging.end = out->staging.start + request->image->size;
	return STATUS_OK;
}

// Finds a range for a copy of the file, when the image overlaps the file and descending order is
// not safe.
static enum status place_file(const struct place_request *request, const struct busy *busy,
			      struct placement *out)
{
	struct range_constraints want = { .size = range_size(request->file),
					  .align = 16,
					  .within = { 0, UINT64_MAX } };
	if (!find_free(request, busy, &want, &out->file))
		return refuse(STATUS_NO_ROOM_TO_MOVE,
			      "the image %#lx..%#lx overlaps its file %#lx..%#lx and no %#lx bytes "
			      "are free to move it",
			      out->image.start, out->image.end, request->file.start,
			      request->file.end, want.size);
	return STATUS_OK;
}

enum status place_unpacked(const struct place_request *request, uint64_t size, struct range *out)
{
	struct busy busy = initially_busy(request);
	struct range_constraints want = { .size = align_up(size, PAGE_SIZE), .align = PAGE_SIZE };
	busy_add(&busy, request->file);
	for (size_t i = 0; i < request->start_info_count; i++)
		busy_add(&busy, request->start_info[i]);
	const uint64_t limits[] = { GIB(4), request->mappable.end };
	for (size_t i = 0; i < countof(limits); i++) {
		want.within = range_intersection(request->mappable, (struct range){ 0, limits[i] });
		// A size near 2^64 has wrapped to 0.
		if (want.size >= size &&
		    range_find_highest(request->usable, busy.ranges, busy.count, &want, out))
			return STATUS_OK;
	}
	return refuse(STATUS_UNPACK_NO_ROOM,
		      "the application's file needs %#lx contiguous bytes of RAM to be unpacked",
		      size);
}

enum status place_image(const struct place_request *request, struct placement *out)
{
	return request->image->dyn ? place_anywhere(request, &out->image)
				   : place_fixed(request, &out->image);
}

enum status place_block_and_copies(const struct place_request *request, uint64_t block_size,
				   struct placement *out)
{
	struct busy busy = initially_busy(request);
	bool room = place_block(request, block_size, &busy, out);
	const bool movable = request->image->dyn && !request->rules->block_size_depends_on_image;
	// A lower image has less memory below it, so only higher addresses can help. (With
	// block_boundary the block may be in two GiB only, and a higher image may have less room in
	// them. But no CPU whose image may move has one.)
	while (!room && movable && find_anywhere(request, out->image.start + 1, &out->image)) {
		busy = initially_busy(request);
		room = place_block(request, block_size, &busy, out);
	}
	if (!room)
		return refuse(STATUS_NO_ROOM_BELOW_IMAGE,
			      "no %#lx free bytes below the image at %#lx for the hand-over block",
			      block_size, out->image.start);
	out->staging = out->image;
	out->file = request->file;
	if (needs_staging(request, out->image))
		TRY(place_staging(request, &busy, out));
	else if (!file_can_stay(request, out->image))
		TRY(place_file(request, &busy, out));
	// A separate staging range overlaps no file. If staging is the image and the file overlaps
	// it, file_can_stay() has found descending order safe.
	out->backwards = range_overlaps(out->file, out->staging);
	return STATUS_OK;
}
