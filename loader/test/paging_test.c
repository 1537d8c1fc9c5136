// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "arch/x86_64/paging.h"

#include <string.h>

#include "test/page_walk.h"
#include "test/test.h"

enum { TABLES_AT = 0x12000 };

static const struct paging_shape e4 = { .recursive = true };
static struct window tables;
static struct staging_entries entries;
static char text[8192];

static void build(struct range block, struct range image, struct range staging)
{
	const struct paging_plan plan = {
		.shape = &e4, .block = block, .image = image, .staging = staging
	};
	size_t n = paging_size(image);
	free(tables.p);
	tables = (struct window){ aligned_alloc(4096, n), TABLES_AT, n };
	memset(tables.p, 0xee, n);
	entries = paging_build(tables, &plan);
	CHECK(page_walk(tables, text, sizeof text));
}

static void done(void)
{
	free(tables.p);
	tables.p = NULL;
}

static const struct range none = { 0, 0 }, block = { 0x9000, 0x16000 };

static uint64_t entry(unsigned page, unsigned index)
{
	return load_u64(tables.p + 0x1000 * page + 8 * index, ORDER_LITTLE);
}

static void the_usual_image(void)
{
	build(block, (struct range){ 0x200000, 0x29c600 }, none);
	CHECK_EQ(tables.n, 4 * 0x1000);
	CHECK_STR(text,
		  "9000..16000 -> 9000 4K 3\n200000..400000 -> 200000 2M 83\nrecursive 511 3\n");
	CHECK_EQ(entries.count, 0);
	done();
}

// Kernels up to 0.6.0 go from one to the next.
static void the_first_three_tables_follow_each_other(void)
{
	build(block, (struct range){ 0x200000, 0x29c600 }, none);
	CHECK_EQ(entry(0, 0), (TABLES_AT + 0x1000) | 3);
	CHECK_EQ(entry(0, 511), TABLES_AT | 3);
	CHECK_EQ(entry(1, 0), (TABLES_AT + 0x2000) | 3);
	CHECK_EQ(entry(2, 0), (TABLES_AT + 0x3000) | 3);
	CHECK_EQ(entry(3, 9), 0x9003);
	done();
}

static void the_image_is_rounded_outwards(void)
{
	build(block, (struct range){ 0x3ff000, 0x600001 }, none);
	CHECK_STR(text,
		  "9000..16000 -> 9000 4K 3\n200000..800000 -> 200000 2M 83\nrecursive 511 3\n");
	build(block, (struct range){ 0x400000, 0x600000 }, none);
	CHECK_STR(text,
		  "9000..16000 -> 9000 4K 3\n400000..600000 -> 400000 2M 83\nrecursive 511 3\n");
	done();
}

static void the_block_may_be_anywhere_in_its_unit(void)
{
	build((struct range){ 0x7f0000, 0x800000 }, (struct range){ 0x800000, 0x801000 }, none);
	CHECK_STR(
		text,
		"7f0000..800000 -> 7f0000 4K 3\n800000..a00000 -> 800000 2M 83\nrecursive 511 3\n");
	done();
}

static void an_image_that_crosses_a_gib(void)
{
	struct range image = { GIB(1) - MIB(4), GIB(1) + MIB(4) + 1 };
	CHECK_EQ(paging_size(image), 5 * 0x1000);
	build(block, image, none);
	CHECK_STR(text, "9000..16000 -> 9000 4K 3\n3fc00000..40600000 -> 3fc00000 2M 83\nrecursive "
			"511 3\n");
	build(block, (struct range){ GIB(1) - MIB(4), GIB(1) }, none);
	CHECK_EQ(tables.n, 4 * 0x1000);
	CHECK_STR(text, "9000..16000 -> 9000 4K 3\n3fc00000..40000000 -> 3fc00000 2M 83\nrecursive "
			"511 3\n");
	done();
}

static void an_image_above_1_gib(void)
{
	build(block, (struct range){ GIB(3) + MIB(2), GIB(3) + MIB(3) }, none);
	CHECK_EQ(tables.n, 5 * 0x1000);
	CHECK_STR(text, "9000..16000 -> 9000 4K 3\nc0200000..c0400000 -> c0200000 2M 83\nrecursive "
			"511 3\n");
	// three of them
	build(block, (struct range){ GIB(2) - MIB(2), GIB(3) + MIB(2) }, none);
	CHECK_EQ(tables.n, 7 * 0x1000);
	CHECK_STR(text, "9000..16000 -> 9000 4K 3\n7fe00000..c0200000 -> 7fe00000 2M 83\nrecursive "
			"511 3\n");
	done();
}

static void a_block_in_the_images_gib(void)
{
	build((struct range){ GIB(2) + 0x3000, GIB(2) + 0x5000 },
	      (struct range){ GIB(2) + MIB(2), GIB(2) + MIB(4) }, none);
	CHECK_STR(text, "80003000..80005000 -> 80003000 4K 3\n80200000..80400000 -> 80200000 2M "
			"83\nrecursive 511 3\n");
	done();
}

static void staging_pages_can_be_unmapped(void)
{
	build(block, (struct range){ 0x200000, 0x4fffff }, (struct range){ 0x800000, 0xa00001 });
	CHECK_STR(text, "9000..16000 -> 9000 4K 3\n200000..600000 -> 200000 2M 83\n800000..c00000 "
			"-> 800000 2M 83\nrecursive 511 3\n");
	CHECK_EQ(entries.count, 2);
	CHECK_EQ(entries.at, TABLES_AT + 0x2000 + 8 * 4);
	memset(tables.p + (entries.at - TABLES_AT), 0, 8 * entries.count);
	CHECK(page_walk(tables, text, sizeof text));
	CHECK_STR(text,
		  "9000..16000 -> 9000 4K 3\n200000..600000 -> 200000 2M 83\nrecursive 511 3\n");
	done();
}

static void staging_above_1_gib(void)
{
	build(block, (struct range){ GIB(1), GIB(1) + 1 },
	      (struct range){ GIB(2) - MIB(2), GIB(2) });
	CHECK_STR(text, "9000..16000 -> 9000 4K 3\n40000000..40200000 -> 40000000 2M "
			"83\n7fe00000..80000000 -> 7fe00000 2M 83\nrecursive 511 3\n");
	CHECK_EQ(entries.count, 1);
	CHECK_EQ(entries.at, TABLES_AT + 0x4000 + 8 * 511);
	done();
}

static void random_images(void)
{
	uint64_t random = 0x1234567;
	for (unsigned round = 0; round < 300; round++) {
		struct range image = { MIB(2) + next_random(&random) % GIB(3), 0 };
		char want[256];
		image.end = image.start + 1 +
			    next_random(&random) %
				    (next_random(&random) % 2 != 0 ? MIB(5) : GIB(1));
		build(block, image, none);
		uint64_t from = align_down(image.start, MIB(2)), to = align_up(image.end, MIB(2));
		snprintf(want, sizeof want,
			 "9000..16000 -> 9000 4K 3\n%lx..%lx -> %lx 2M 83\nrecursive 511 3\n", from,
			 to, from);
		CHECK_STR(text, want);
	}
	done();
}

static void without_the_recursive_slot(void)
{
	static const struct paging_shape shape = { .recursive = false };
	const struct paging_plan plan = { .shape = &shape,
					  .block = block,
					  .image = { 0x200000, 0x300000 } };
	uint8_t *p = aligned_alloc(4096, 0x4000);
	paging_build((struct window){ p, TABLES_AT, 0x4000 }, &plan);
	CHECK(page_walk((struct window){ p, TABLES_AT, 0x4000 }, text, sizeof text));
	CHECK_STR(text, "9000..16000 -> 9000 4K 3\n200000..400000 -> 200000 2M 83\n");
	free(p);
}

// The pages of Multiboot information and command line a second time, for era e3.
static void an_alias(void)
{
	static const struct paging_shape shape = { .recursive = false };
	const struct paging_plan plan = {
		.shape = &shape, .alias = 0x12000, .block = block, .image = { 0x200000, 0x300000 }
	};
	uint8_t *p = aligned_alloc(4096, 0x4000);
	paging_build((struct window){ p, TABLES_AT, 0x4000 }, &plan);
	CHECK(page_walk((struct window){ p, TABLES_AT, 0x4000 }, text, sizeof text));
	CHECK_STR(text, "3000..8000 -> 12000 4K 3\n9000..16000 -> 9000 4K 3\n"
			"200000..400000 -> 200000 2M 83\n");
	free(p);
}

#define T(name) { #name, name }
SUITE(paging, T(the_usual_image), T(the_first_three_tables_follow_each_other),
      T(the_image_is_rounded_outwards), T(the_block_may_be_anywhere_in_its_unit),
      T(an_image_that_crosses_a_gib), T(an_image_above_1_gib), T(a_block_in_the_images_gib),
      T(staging_pages_can_be_unmapped), T(staging_above_1_gib), T(random_images),
      T(without_the_recursive_slot), T(an_alias));
