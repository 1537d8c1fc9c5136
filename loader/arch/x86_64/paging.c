// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The kernel's page tables: the block by 4 KiB pages, the image by 2 MiB pages, and for era e3 the
// aliases of handover.h. Nothing else is mapped.
#include "arch/x86_64/paging.h"

#include "core/panic.h"

enum {
	ENTRIES = 512,
	TABLE = 0x3, // present, writable
	PAGE = 0x3,
	LARGE_PAGE = 0x83,
};

// Pages of the tables. Kernels up to 0.6.0 expect the first three in this order, consecutively.
// Directories of further GiB follow from PD_MORE on.
enum { PML4, PDPT, PD_FIRST, PT_BLOCK, PD_MORE };

// PD_FIRST maps the first GiB, for the block. Each other GiB of the image has a directory from
// PD_MORE on. Returns how many these are.
static uint64_t directories_beyond_first(struct range image)
{
	uint64_t image_first = image.start / GIB(1), image_last = (image.end - 1) / GIB(1);
	return image_last - image_first + (image_first != 0);
}

// In this file, because host tests have it and not handover.c.
const struct place_rules arch_place_rules = {
	// PT_BLOCK maps the block.
	.block_boundary = MIB(2),
	// PD_MORE.
	.block_size_depends_on_image = true,
	// Addresses in Multiboot information have 32 bits.
	.block_limit = GIB(4),
	// Staging in the GiB where the image ends needs no further directory.
	.staging_in_image_gib = true,
	// Page 0 has the BIOS data area, and null pointers should fault. Kernels copy the start-up
	// code of application processors to 0x8000.
	.excluded = { { 0, 0x1000 }, { 0x8000, 0x9000 } },
	.image_page_size = MIB(2),
};

uint64_t paging_size(struct range image)
{
	return (PD_MORE + directories_beyond_first(image)) * PAGE_SIZE;
}

static uint64_t *table(struct window tables, uint64_t index)
{
	return (uint64_t *)(void *)(tables.p + index * PAGE_SIZE);
}

static uint64_t address_of(struct window tables, uint64_t index)
{
	return tables.base + index * PAGE_SIZE;
}

// Index of the page directory that maps this GiB.
static uint64_t directory(struct range image, uint64_t gib)
{
	uint64_t image_first = image.start / GIB(1);
	return gib == 0 ? PD_FIRST : PD_MORE + gib - image_first - (image_first == 0);
}

static void map_large(struct window tables, struct range image, struct range r)
{
	for (uint64_t at = align_down(r.start, MIB(2)); at < r.end; at += MIB(2))
		table(tables, directory(image, at / GIB(1)))[at / MIB(2) % ENTRIES] = at |
										      LARGE_PAGE;
}

// By 4 KiB pages: nothing next to the block is mapped, so that a stack overflow faults.
static void map_block(struct window tables, const struct paging_plan *plan)
{
	uint64_t unit = plan->block.start / MIB(2);
	ASSERT((plan->block.end - 1) / MIB(2) == unit);
	table(tables, directory(plan->image, plan->block.start / GIB(1)))[unit % ENTRIES] =
		address_of(tables, PT_BLOCK) | TABLE;
	for (uint64_t at = plan->block.start; at < plan->block.end; at += PAGE_SIZE)
		table(tables, PT_BLOCK)[at / PAGE_SIZE % ENTRIES] = at | PAGE;
	if (plan->alias == 0)
		return;
	for (uint64_t at = ALIAS_MULTIBOOT; at < ALIAS_END; at += PAGE_SIZE)
		table(tables, PT_BLOCK)[at / PAGE_SIZE] = (plan->alias + (at - ALIAS_MULTIBOOT)) |
							  PAGE;
}

struct staging_entries paging_build(struct window tables, const struct paging_plan *plan)
{
	struct staging_entries entries = { 0 };
	uint64_t image_first = plan->image.start / GIB(1),
		 image_last = (plan->image.end - 1) / GIB(1);
	memset(tables.p, 0, tables.n);
	table(tables, PML4)[0] = address_of(tables, PDPT) | TABLE;
	// Kernels edit their tables through the last entry, which maps the top table itself.
	if (plan->shape->recursive)
		table(tables, PML4)[ENTRIES - 1] = address_of(tables, PML4) | TABLE;
	table(tables, PDPT)[0] = address_of(tables, PD_FIRST) | TABLE;
	for (uint64_t gib = image_first; gib <= image_last; gib++)
		table(tables, PDPT)[gib] = address_of(tables, directory(plan->image, gib)) | TABLE;
	map_block(tables, plan);
	map_large(tables, plan->image, plan->image);
	if (plan->staging.start != plan->staging.end) {
		uint64_t unit = plan->staging.start / MIB(2);
		map_large(tables, plan->image, plan->staging);
		entries.at = address_of(tables,
					directory(plan->image, plan->staging.start / GIB(1))) +
			     8 * (unit % ENTRIES);
		entries.count = align_up(plan->staging.end, MIB(2)) / MIB(2) - unit;
	}
	return entries;
}

struct staging_entries paging_hand_over(const struct handover *h)
{
	const struct handover_block *block = h->block;
	struct window tables = { block->window.p + block->tables,
				 block->window.base + block->tables, block->tables_size };
	struct paging_plan plan = {
		.shape = h->shape,
		.block = { block->window.base, block->window.base + block->size },
		.image = h->image,
	};
	if (block->alias)
		plan.alias = block->window.base + block->multiboot;
	if (h->staging.start != h->image.start)
		plan.staging = h->staging;
	return paging_build(tables, &plan);
}
