// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Sorted sets of ranges. Linear searches: a memory map has a few dozen ranges.
#include "core/range.h"

// Removes the ranges from index `first` up to but excluding `after`.
static void close_gap(struct range_set *set, uint32_t first, uint32_t after)
{
	for (uint32_t from = after; from < set->count; from++)
		set->ranges[first + from - after] = set->ranges[from];
	set->count -= after - first;
}

// Makes room for one range at index `at`: the ranges from there on move up, and entry `at` keeps
// its old value.
static must_check enum status open_gap(struct range_set *set, uint32_t at)
{
	if (set->count == RANGE_SET_MAX)
		return STATUS_MEMORY_MAP_TOO_LONG;
	for (uint32_t i = set->count; i > at; i--)
		set->ranges[i] = set->ranges[i - 1];
	set->count++;
	return STATUS_OK;
}

enum status range_set_add(struct range_set *set, struct range r)
{
	if (r.start >= r.end)
		return STATUS_OK;
	uint32_t first = 0;
	while (first < set->count && set->ranges[first].end < r.start)
		first++;
	uint32_t after = first;
	while (after < set->count && set->ranges[after].start <= r.end)
		after++;
	// Ranges [first, after) overlap or touch `r` and are merged with it.
	if (after == first) {
		TRY(open_gap(set, first));
	} else {
		if (set->ranges[first].start < r.start)
			r.start = set->ranges[first].start;
		if (set->ranges[after - 1].end > r.end)
			r.end = set->ranges[after - 1].end;
		close_gap(set, first + 1, after);
	}
	set->ranges[first] = r;
	return STATUS_OK;
}

enum status range_set_remove(struct range_set *set, struct range r)
{
	if (r.start >= r.end)
		return STATUS_OK;
	uint32_t i = 0;
	while (i < set->count) {
		struct range old = set->ranges[i];
		if (!range_overlaps(old, r)) {
			i++;
			continue;
		}
		// The middle is removed: the range becomes two. Only this case can fail.
		if (old.start < r.start && old.end > r.end) {
			TRY(open_gap(set, i));
			set->ranges[i].end = r.start;
			set->ranges[i + 1].start = r.end;
			return STATUS_OK;
		}
		if (old.start < r.start)
			set->ranges[i].end = r.start;
		else if (old.end > r.end)
			set->ranges[i].start = r.end;
		else
			close_gap(set, i, i + 1);
	}
	return STATUS_OK;
}

bool range_set_contains(const struct range_set *set, struct range r)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (range_inside(r, set->ranges[i]))
			return true;
	return false;
}

uint64_t range_set_first_outside(const struct range_set *set, struct range r)
{
	uint64_t at = r.start;
	for (uint32_t i = 0; i < set->count; i++)
		if (at >= set->ranges[i].start && at < set->ranges[i].end)
			at = set->ranges[i].end;
	return at < r.end ? at : r.end;
}

// Finds the first range at or after `start` with the wanted size, alignment and boundary, free or
// not. Returns false if there is none below 2^64.
static bool next_candidate(uint64_t start, const struct range_constraints *want, struct range *out)
{
	if (start > UINT64_MAX - (want->align - 1))
		return false;
	start = align_up(start, want->align);
	if (want->boundary != 0 &&
	    start / want->boundary != (start + want->size - 1) / want->boundary) {
		if (want->size > want->boundary || start > UINT64_MAX - want->boundary)
			return false;
		// If `align` were at least `boundary`, `start` would be at a boundary, and a range
		// of at most `boundary` bytes would cross none. So `align` is smaller, and the new
		// start is a multiple of it, too.
		start = align_up(start, want->boundary);
	}
	out->start = start;
	return !add_overflows(start, want->size, &out->end);
}

static bool find_in(struct range within, const struct range *busy, size_t busy_count,
		    const struct range_constraints *want, struct range *out)
{
	struct range r;
	uint64_t from = within.start;
	for (;;) {
		if (!next_candidate(from, want, &r) || r.end > within.end)
			return false;
		// Continue after the highest busy range that overlaps, until none does.
		from = r.start;
		for (size_t i = 0; i < busy_count; i++)
			if (range_overlaps(r, busy[i]) && busy[i].end > from)
				from = busy[i].end;
		if (from == r.start) {
			*out = r;
			return true;
		}
	}
}

bool range_find(const struct range_set *set, const struct range *busy, size_t busy_count,
		const struct range_constraints *want, struct range *out)
{
	for (uint32_t i = 0; i < set->count; i++) {
		struct range within = range_intersection(set->ranges[i], want->within);
		if (within.start < within.end && find_in(within, busy, busy_count, want, out))
			return true;
	}
	return false;
}

static bool find_high_in(struct range within, const struct range *busy, size_t busy_count,
			 const struct range_constraints *want, struct range *out)
{
	while (within.start < within.end && range_size(within) >= want->size) {
		const uint64_t start = align_down(within.end - want->size, want->align);
		const struct range r = { start, start + want->size };
		if (start < within.start)
			return false;
		// Continue below the lowest busy range that overlaps, until none does.
		within.end = r.end;
		for (size_t i = 0; i < busy_count; i++)
			if (range_overlaps(r, busy[i]) && busy[i].start < within.end)
				within.end = busy[i].start;
		if (within.end == r.end) {
			*out = r;
			return true;
		}
	}
	return false;
}

bool range_find_highest(const struct range_set *set, const struct range *busy, size_t busy_count,
			const struct range_constraints *want, struct range *out)
{
	for (uint32_t i = set->count; i > 0; i--)
		if (find_high_in(range_intersection(set->ranges[i - 1], want->within), busy,
				 busy_count, want, out))
			return true;
	return false;
}
