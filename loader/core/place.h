// SPDX-License-Identifier: Apache-2.0 OR MIT
// Placement: chooses addresses for the unpacked file, image, hand-over block and temporary copies
// before they are written. Pure functions of the request; addresses are physical.
//
// The image may overlap what is still in use:
//   - the start information (command line, device tree): the block is made from it, and is written
//     before the image;
//   - the loader, and memory that is the firmware's until it leaves. Only ET_EXEC images are put
//     there, since they have no other place. Such an image is built in `staging`, and the
//     trampoline, which runs in the block, moves it to `image`;
//   - its own file. If the file holds the segments in ascending order, and each goes to or above
//     its file bytes, the segments are copied in descending order. Otherwise the file is copied
//     elsewhere first.
// Block, `staging` and the copy of the file overlap nothing that is in use.
#pragma once

#include "core/elf.h"
#include "core/range.h"

// Kernels round the image to 2 MiB on both sides and use the RAM above it.
#define IMAGE_ALIGN MIB(2)

// Constraints of a CPU's kernels and page tables. Each arch/<cpu> defines arch_place_rules.
struct place_rules {
	// x86_64: one page table maps the block, so the block crosses no multiple of this power of
	// two. The block is also in the first GiB or in the GiB where the image begins: only these
	// have a page directory for it. 0: no such constraints.
	uint64_t block_boundary;
	// x86_64: the highest end of the block. 0: no limit.
	uint64_t block_limit;
	// x86_64: the size of the page tables, which are in the block, depends on the image's
	// address. So the image keeps the address for which the block was laid out.
	bool block_size_depends_on_image;
	// x86_64: staging is in the GiB where the image ends, whose page directory maps it.
	bool staging_in_image_gib;
	// Ranges that neither block, copies nor an ET_DYN image use, for example the real-mode
	// vector table. May be empty.
	struct range excluded[2];
	// The highest end of RAM in boot info: kernels up to 0.11 map devices above it. 0: no
	// limit.
	uint64_t reported_ram_limit;
	// Size of the pages that map the image. 0: the kernel starts with the MMU off.
	uint64_t image_page_size;
};

// Ranges of start information. Multiboot and PVH have most: the structure that the register points
// to, command line, module list, memory map. A Hermit image adds the command line that it makes.
#define START_INFO_MAX 5

struct place_request {
	const struct place_rules *rules;
	const struct elf_image *image;
	// Free RAM.
	const struct range_set *usable;
	// RAM that is free once the firmware has left. An ET_EXEC image may run there, but cannot
	// be built there. NULL: no more than `usable`.
	const struct range_set *free_later;
	// As in struct platform.
	const char *(*memory_type)(uint64_t address);
	// Where an ET_DYN image should be. Empty: anywhere.
	struct range preferred;
	// The addresses that the loader can map.
	struct range mappable;
	struct range loader;
	// The application file.
	struct range file;
	// The start information.
	struct range start_info[START_INFO_MAX];
	size_t start_info_count;
};

struct placement {
	// Where the application runs.
	struct range image;
	struct range block;
	// Where the image is built: `image`, unless that is not free yet.
	struct range staging;
	// Where segments are copied from: the request's `file`, or the copy of it.
	struct range file;
	// Copy the segments in descending order.
	bool backwards;
};

// Finds a range of `size` bytes to unpack the application's file to, at a page boundary. It
// overlaps nothing that is in use, and `request->image` is not read. It is as high as possible, so
// that low addresses stay free for the image: kernels up to 0.11 lose the memory below it. It is
// below 4 GiB if possible, because x86_64 has few page tables for addresses above. Refuses with
// UNPACK_NO_ROOM.
must_check enum status place_unpacked(const struct place_request *request, uint64_t size,
				      struct range *out);

// Places the image. Refuses with IMAGE_NOT_IN_RAM or IMAGE_NO_ROOM. It runs first, because the
// block's layout needs the image's address.
must_check enum status place_image(const struct place_request *request, struct placement *out);

// Places the rest. `block_size` is in bytes. May move an ET_DYN image up, to where the block has
// room below it, but not if block_size_depends_on_image. Refuses with NO_ROOM_BELOW_IMAGE or
// NO_ROOM_TO_MOVE.
must_check enum status place_block_and_copies(const struct place_request *request,
					      uint64_t block_size, struct placement *out);
