// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The kernel's page tables: block and image by 4 KiB pages, the UART, nothing else.
#include "arch/aarch64/paging.h"

#include "core/panic.h"

enum { ENTRIES = 512, RECURSIVE = 511 };

// Valid, table or page, MAIR attribute 4 (write-back), inner shareable, access flag. Table
// descriptors have the attributes as well: through entry RECURSIVE the kernel accesses tables as
// pages.
#define PAGE UINT64_C(0x713)
#define PAGE_UART UINT64_C(0x407)          // MAIR attribute 1: Device-nGnRE
#define RECURSIVE_MARK (UINT64_C(1) << 55) // ignored by hardware, the kernel's mark
#define ADDRESS UINT64_C(0x0000fffffffff000)

struct builder {
	struct window tables;
	size_t used; // bytes
};

static struct range round_out(struct range r)
{
	return (struct range){ align_down(r.start, MIB(2)), align_up(r.end, MIB(2)) };
}

// The maximum number of aligned units of `unit` bytes that a range of `size` bytes overlaps.
static uint64_t units_max(uint64_t size, uint64_t unit)
{
	return align_up(size, unit) / unit + 1;
}

uint64_t tables_bound(struct range image, uint64_t other)
{
	struct range pages = round_out(image);
	// One table each of level 0 and 1, and of level 2 and 3 for the UART. Then the image's: it
	// may still be moved up and cross another GiB boundary.
	uint64_t fixed = 4 + units_max(range_size(pages), GIB(1)) + range_size(pages) / MIB(2);
	uint64_t size = 0, wanted = fixed * PAGE_SIZE;
	// The tables are part of the block, which they map: repeat until the size is stable.
	while (size != wanted) {
		size = wanted;
		wanted = (fixed + units_max(size + other, GIB(1)) +
			  units_max(size + other, MIB(2))) *
			 PAGE_SIZE;
	}
	return size;
}

static uint64_t *new_table(struct builder *b, uint64_t *address)
{
	size_t at = b->used;
	b->used += PAGE_SIZE;
	ASSERT(b->used <= b->tables.n);
	*address = b->tables.base + at;
	return (uint64_t *)(void *)(b->tables.p + at);
}

// Returns the table that `*entry` points to, a new one if the entry is 0.
static uint64_t *descend(struct builder *b, uint64_t *entry)
{
	if (*entry != 0)
		return (uint64_t *)(void *)(b->tables.p + ((*entry & ADDRESS) - b->tables.base));
	uint64_t address;
	uint64_t *table = new_table(b, &address);
	*entry = address | PAGE;
	return table;
}

// Maps [r.start, r.end) identically by 4 KiB pages.
static void map_pages(struct builder *b, uint64_t *level1, struct range r)
{
	for (uint64_t at = r.start; at < r.end;) {
		uint64_t *level2 = descend(b, &level1[at / GIB(1)]);
		uint64_t *level3 = descend(b, &level2[at / MIB(2) % ENTRIES]);
		uint64_t end = align_down(at, MIB(2)) + MIB(2);
		for (; at < end && at < r.end; at += PAGE_SIZE)
			level3[at / PAGE_SIZE % ENTRIES] = at | PAGE;
	}
}

void tables_build(struct window tables, const struct paging_plan *plan)
{
	struct builder b = { .tables = tables };
	struct range image = round_out(plan->image);
	uint64_t root_at;
	ASSERT(image.end <= GIB(512) && plan->block.end <= GIB(512));
	memset(tables.p, 0, tables.n);
	uint64_t *root = new_table(&b, &root_at);
	uint64_t *level1 = descend(&b, &root[0]);
	if (plan->shape->recursive)
		root[RECURSIVE] = root_at | PAGE | RECURSIVE_MARK;
	map_pages(&b, level1, plan->block);
	map_pages(&b, level1, image);
	if (plan->uart != 0) {
		uint64_t *level2 = descend(&b, &level1[0]);
		descend(&b, &level2[0])[UART_VIRTUAL / PAGE_SIZE] = align_down(plan->uart,
									       PAGE_SIZE) |
								    PAGE_UART;
	}
}
