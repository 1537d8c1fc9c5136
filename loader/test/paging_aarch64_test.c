// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "arch/aarch64/paging.h"

#include <string.h>

#include "test/test.h"

// Every page that the tables map, as lines "first..end -> physical flags", walked without knowing
// how they were made. Tables are not pages.
struct walk {
	char text[4096];
	size_t used;
	uint64_t start, end, physical, flags; // the run that is not yet reported
};

static const struct paging_shape recursive = { .recursive = true }, plain = { .recursive = false };
static struct window tables;
static struct walk walk;

enum { TABLES_AT = 0x4000a000 };
#define FLAGS UINT64_C(0xffff000000000fff)

static void report(void)
{
	if (walk.end != 0)
		walk.used += (size_t)snprintf(walk.text + walk.used, sizeof walk.text - walk.used,
					      "%lx..%lx -> %lx %lx\n", walk.start, walk.end,
					      walk.physical, walk.flags);
	walk.end = 0;
}

static void page(uint64_t at, uint64_t entry)
{
	uint64_t physical = entry & ~FLAGS;
	if (walk.end != at || walk.flags != (entry & FLAGS) ||
	    walk.physical + (at - walk.start) != physical) {
		report();
		walk.start = at;
		walk.physical = physical;
		walk.flags = entry & FLAGS;
	}
	walk.end = at + PAGE_SIZE;
}

static void level(unsigned depth, uint64_t table, uint64_t at)
{
	uint64_t size = PAGE_SIZE << 9 * (3 - depth);
	for (unsigned i = 0; i < 512; i++, at += size) {
		uint64_t entry = load_u64(tables.p + (table - tables.base) + 8 * i, ORDER_NATIVE),
			 next = entry & ~FLAGS;
		if (entry == 0 || (depth == 0 && i == 511))
			continue;
		CHECK_EQ(entry & 3, 3); // no blocks
		if (depth == 3) {
			page(at, entry);
			continue;
		}
		CHECK_EQ(entry & FLAGS, 0x713);
		CHECK(next >= tables.base && next - tables.base <= tables.n - PAGE_SIZE);
		level(depth + 1, next, at);
	}
}

// For a block of the tables and `other` bytes that ends at `block_end`.
static void build(const struct paging_shape *shape, uint64_t block_end, uint64_t other,
		  struct range image, uint64_t uart)
{
	uint64_t n = tables_bound(image, other);
	struct range block = { block_end - n - other, block_end };
	const struct paging_plan plan = {
		.shape = shape, .block = block, .image = image, .uart = uart
	};
	free(tables.p);
	tables = (struct window){ aligned_alloc(PAGE_SIZE, n), TABLES_AT, n };
	memset(tables.p, 0xee, n);
	tables_build(tables, &plan);
	walk = (struct walk){ 0 };
	level(0, tables.base, 0);
	report();
	free(tables.p);
	tables.p = NULL;
}

static void just_the_block_the_image_and_the_uart_are_mapped(void)
{
	struct range image = { 0x40200000, 0x402173c8 };
	uint64_t n = tables_bound(image, 0xa000);
	char want[256];
	snprintf(want, sizeof want,
		 "1000..2000 -> 9000000 407\n%lx..40100000 -> %lx 713\n40200000..40400000 -> "
		 "40200000 713\n",
		 0x40100000 - n - 0xa000, 0x40100000 - n - 0xa000);
	build(&recursive, 0x40100000, 0xa000, image, 0x09000000);
	CHECK_STR(walk.text, want);
}

static void an_image_that_is_not_aligned_is_rounded_out(void)
{
	build(&recursive, 0x40100000, 0xa000, (struct range){ 0x405ff000, 0x40800001 }, 0);
	CHECK(strstr(walk.text, "40400000..40a00000 -> 40400000 713\n") != NULL);
	CHECK(strstr(walk.text, "1000..2000") == NULL);
}

static void a_uart_beyond_4_gib_keeps_its_page(void)
{
	build(&recursive, 0x40100000, 0xa000, (struct range){ 0x40200000, 0x40210000 },
	      UINT64_C(0x1009000000));
	CHECK(strstr(walk.text, "1000..2000 -> 1009000000 407\n") == walk.text);
}

// The block that contains the tables is placed after their size is known, so the tables must fit at
// every address below the image.
static void tables_fit_wherever_the_block_is(void)
{
	static const struct range images[] = {
		{ 0x40200000, 0x40201000 },
		{ GIB(4) - MIB(2), GIB(4) + MIB(6) },
		{ GIB(3), GIB(5) },
		{ GIB(200) + 0x1000, GIB(200) + MIB(300) },
	};
	static const uint64_t others[] = { 0xa000, MIB(2) - PAGE_SIZE, MIB(2), MIB(7) };
	for (size_t i = 0; i < countof(images); i++)
		for (size_t j = 0; j < countof(others); j++)
			for (uint64_t down = 0; down < MIB(4); down += 0x7f000) {
				test_case("image %lx, other %lx, %lx below", images[i].start,
					  others[j], down);
				uint64_t top = align_down(images[i].start, MIB(2)) - down;
				if (top < others[j] + tables_bound(images[i], others[j]))
					continue;
				build(&recursive, top, others[j], images[i], 0x09000000);
				build(&recursive, align_down(top, GIB(1)) + MIB(1), others[j],
				      images[i], 0x09000000);
			}
}

static void the_last_entry_points_to_its_table_where_a_kernel_wants_it(void)
{
	struct range image = { 0x40200000, 0x40210000 };
	const struct paging_shape *shapes[] = { &recursive, &plain };
	for (size_t i = 0; i < countof(shapes); i++) {
		struct window at = { aligned_alloc(PAGE_SIZE, tables_bound(image, PAGE_SIZE)),
				     TABLES_AT, tables_bound(image, PAGE_SIZE) };
		const struct paging_plan plan = { .shape = shapes[i],
						  .block = { 0x40000000, 0x40001000 },
						  .image = image };
		tables_build(at, &plan);
		uint64_t entry = load_u64(at.p + 511 * 8, ORDER_NATIVE);
		CHECK_EQ(entry, shapes[i]->recursive ? (TABLES_AT | 0x713 | UINT64_C(1) << 55) : 0);
		free(at.p);
	}
}

SUITE(paging_aarch64,
      { "just_the_block_the_image_and_the_uart_are_mapped",
	just_the_block_the_image_and_the_uart_are_mapped },
      { "an_image_that_is_not_aligned_is_rounded_out",
	an_image_that_is_not_aligned_is_rounded_out },
      { "a_uart_beyond_4_gib_keeps_its_page", a_uart_beyond_4_gib_keeps_its_page },
      { "tables_fit_wherever_the_block_is", tables_fit_wherever_the_block_is },
      { "the_last_entry_points_to_its_table_where_a_kernel_wants_it",
	the_last_entry_points_to_its_table_where_a_kernel_wants_it });
