// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/range.h"
#include "test/test.h"

static struct range_set set_of(const struct range *ranges, size_t count)
{
	struct range_set set = { 0 };
	for (size_t i = 0; i < count; i++)
		CHECK_EQ(range_set_add(&set, ranges[i]), STATUS_OK);
	return set;
}

#define SET(...)                                      \
	set_of((const struct range[]){ __VA_ARGS__ }, \
	       countof(((const struct range[]){ __VA_ARGS__ })))

static void check_set(const struct range_set *set, const struct range *want, size_t count)
{
	CHECK_EQ(set->count, count);
	for (size_t i = 0; i < count && i < set->count; i++) {
		CHECK_EQ(set->ranges[i].start, want[i].start);
		CHECK_EQ(set->ranges[i].end, want[i].end);
	}
}

#define CHECK_SET(set, ...)                                   \
	check_set(set, (const struct range[]){ __VA_ARGS__ }, \
		  countof(((const struct range[]){ __VA_ARGS__ })))

static void add_sorts_and_merges(void)
{
	struct range_set set = SET({ 50, 60 }, { 10, 20 }, { 30, 40 });
	CHECK_SET(&set, { 10, 20 }, { 30, 40 }, { 50, 60 });
	set = SET({ 10, 20 }, { 30, 40 }, { 20, 30 }); // touching ones become one
	CHECK_SET(&set, { 10, 40 });
	set = SET({ 10, 20 }, { 30, 40 }, { 50, 60 }, { 15, 55 });
	CHECK_SET(&set, { 10, 60 });
	set = SET({ 10, 20 }, { 12, 15 });
	CHECK_SET(&set, { 10, 20 });
	set = SET({ 12, 15 }, { 10, 20 });
	CHECK_SET(&set, { 10, 20 });
	set = SET({ 0, UINT64_MAX }, { 5, 6 });
	CHECK_SET(&set, { 0, UINT64_MAX });
	set = SET({ 10, 20 }, { 15, 15 }, { 30, 25 }); // empty ones change nothing
	CHECK_SET(&set, { 10, 20 });
}

static void remove_cuts_and_splits(void)
{
	struct range_set set = SET({ 10, 20 }, { 30, 40 }, { 50, 60 });
	CHECK_EQ(range_set_remove(&set, (struct range){ 15, 35 }), STATUS_OK);
	CHECK_SET(&set, { 10, 15 }, { 35, 40 }, { 50, 60 });
	CHECK_EQ(range_set_remove(&set, (struct range){ 52, 55 }), STATUS_OK);
	CHECK_SET(&set, { 10, 15 }, { 35, 40 }, { 50, 52 }, { 55, 60 });
	CHECK_EQ(range_set_remove(&set, (struct range){ 0, 41 }), STATUS_OK);
	CHECK_SET(&set, { 50, 52 }, { 55, 60 });
	CHECK_EQ(range_set_remove(&set, (struct range){ 52, 55 }), STATUS_OK);
	CHECK_EQ(range_set_remove(&set, (struct range){ 51, 51 }), STATUS_OK);
	CHECK_EQ(range_set_remove(&set, (struct range){ 60, 99 }), STATUS_OK);
	CHECK_SET(&set, { 50, 52 }, { 55, 60 });
	CHECK_EQ(range_set_remove(&set, (struct range){ 0, UINT64_MAX }), STATUS_OK);
	CHECK_EQ(set.count, 0);
}

static void a_full_set_reports_it_and_is_unchanged(void)
{
	struct range_set set = { 0 };
	for (uint64_t i = 0; i < RANGE_SET_MAX; i++)
		CHECK_EQ(range_set_add(&set, (struct range){ 10 * i, 10 * i + 5 }), STATUS_OK);
	struct range_set before = set;
	CHECK_EQ(range_set_add(&set, (struct range){ 9999, 10000 }), STATUS_MEMORY_MAP_TOO_LONG);
	CHECK_EQ(range_set_remove(&set, (struct range){ 2, 3 }), STATUS_MEMORY_MAP_TOO_LONG);
	CHECK_BYTES(&set, &before, sizeof set);
	CHECK_EQ(range_set_add(&set, (struct range){ 5, 10 }), STATUS_OK); // merges two
	CHECK_EQ(set.count, RANGE_SET_MAX - 1);
	CHECK_EQ(range_set_remove(&set, (struct range){ 2, 3 }), STATUS_OK);
	CHECK_EQ(set.count, RANGE_SET_MAX);
}

enum { WORLD = 400 };

static void check_against_bitmap(const struct range_set *set, const bool *bitmap)
{
	bool seen[WORLD + 1] = { false };
	for (uint32_t i = 0; i < set->count; i++) {
		CHECK(set->ranges[i].start < set->ranges[i].end && set->ranges[i].end <= WORLD);
		if (i > 0)
			CHECK(set->ranges[i].start > set->ranges[i - 1].end);
		for (uint64_t at = set->ranges[i].start; at < set->ranges[i].end && at < WORLD;
		     at++)
			seen[at] = true;
	}
	CHECK_BYTES(seen, bitmap, WORLD);
}

// The lowest place, by trying every one.
static bool find_slowly(const bool *bitmap, const struct range *busy, size_t busy_count,
			const struct range_constraints *want, uint64_t *out)
{
	for (uint64_t at = 0; at + want->size <= WORLD; at += want->align) {
		bool good = at >= want->within.start && at + want->size <= want->within.end;
		if (want->boundary != 0 &&
		    at / want->boundary != (at + want->size - 1) / want->boundary)
			good = false;
		for (uint64_t b = at; good && b < at + want->size; b++)
			good = bitmap[b];
		for (size_t i = 0; good && i < busy_count; i++)
			good = !range_overlaps((struct range){ at, at + want->size }, busy[i]);
		if (good) {
			*out = at;
			return true;
		}
	}
	return false;
}

static void check_find(const struct range_set *set, const bool *bitmap, uint64_t *random)
{
	struct range busy[3], got = { 1, 2 };
	uint64_t at = 0;
	for (size_t i = 0; i < countof(busy); i++) {
		busy[i].start = next_random(random) % WORLD;
		busy[i].end = busy[i].start + next_random(random) % 30;
	}
	struct range_constraints want = { .size = 1 + next_random(random) % 40,
					  .align = (uint64_t)1 << next_random(random) % 6 };
	want.within.start = next_random(random) % 100;
	want.within.end = want.within.start + next_random(random) % WORLD;
	// Also a boundary that is less than the size: then there is no such range.
	if (next_random(random) % 2 == 0)
		want.boundary = want.size % 8 == 0 ? 16 : 64;
	bool wanted = find_slowly(bitmap, busy, countof(busy), &want, &at);
	bool found = range_find(set, busy, countof(busy), &want, &got);
	CHECK_EQ(found, wanted);
	CHECK_EQ(got.start, wanted ? at : 1);
	CHECK_EQ(got.end, wanted ? at + want.size : 2);
}

static void random_operations_match_a_bitmap(void)
{
	uint64_t random = 0x9e3779b97f4a7c15;
	for (unsigned round = 0; round < 300; round++) {
		bool bitmap[WORLD] = { false };
		struct range_set set = { 0 };
		for (unsigned step = 0; step < 40; step++) {
			struct range r = { next_random(&random) % WORLD, 0 };
			r.end = r.start + next_random(&random) % 25;
			if (r.end > WORLD)
				r.end = WORLD;
			bool add = next_random(&random) % 3 != 0;
			test_case("round %u, step %u: %s %lu..%lu", round, step,
				  add ? "add" : "remove", r.start, r.end);
			CHECK_EQ(add ? range_set_add(&set, r) : range_set_remove(&set, r),
				 STATUS_OK);
			for (uint64_t at = r.start; at < r.end; at++)
				bitmap[at] = add;
			check_against_bitmap(&set, bitmap);
			CHECK(!range_set_contains(&set, (struct range){ WORLD - 1, WORLD + 1 }));
			check_find(&set, bitmap, &random);
		}
	}
}

static void contains_wants_one_range(void)
{
	struct range_set set = SET({ 10, 20 }, { 30, 40 });
	CHECK(range_set_contains(&set, (struct range){ 10, 20 }));
	CHECK(range_set_contains(&set, (struct range){ 31, 39 }));
	CHECK(!range_set_contains(&set, (struct range){ 10, 21 }));
	CHECK(!range_set_contains(&set, (struct range){ 9, 20 }));
	CHECK(!range_set_contains(&set, (struct range){ 15, 35 }));
}

static void find_near_the_end_of_all_addresses(void)
{
	struct range_set set = SET({ UINT64_MAX - 0x2000, UINT64_MAX });
	struct range out = { 0 };
	struct range_constraints want = { .size = 0x1000,
					  .align = 0x1000,
					  .within = { 0, UINT64_MAX } };
	CHECK(range_find(&set, NULL, 0, &want, &out));
	CHECK_EQ(out.start, 0xffffffffffffe000);
	CHECK_EQ(out.end, 0xfffffffffffff000);
	want.size = 0x2000;
	CHECK(!range_find(&set, NULL, 0, &want, &out));
	want.size = UINT64_MAX;
	CHECK(!range_find(&set, NULL, 0, &want, &out));
	want = (struct range_constraints){ .size = 1,
					   .align = (uint64_t)1 << 63,
					   .within = { 0, UINT64_MAX } };
	CHECK(!range_find(&set, NULL, 0, &want, &out));
	want = (struct range_constraints){ .size = 0x1000,
					   .align = 0x1000,
					   .boundary = (uint64_t)1 << 63,
					   .within = { 0, UINT64_MAX } };
	CHECK(range_find(&set, NULL, 0, &want, &out));
}

SUITE(range, { "add_sorts_and_merges", add_sorts_and_merges },
      { "remove_cuts_and_splits", remove_cuts_and_splits },
      { "a_full_set_reports_it_and_is_unchanged", a_full_set_reports_it_and_is_unchanged },
      { "random_operations_match_a_bitmap", random_operations_match_a_bitmap },
      { "contains_wants_one_range", contains_wants_one_range },
      { "find_near_the_end_of_all_addresses", find_near_the_end_of_all_addresses });
