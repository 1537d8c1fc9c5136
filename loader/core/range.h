// SPDX-License-Identifier: Apache-2.0 OR MIT
// Half-open ranges of physical addresses, and sorted sets of them. Sets have a fixed capacity,
// since the loader has no heap.
#pragma once

#include "core/base.h"
#include "core/status.h"

struct range {
	uint64_t start;
	uint64_t end; // exclusive; start == end is the empty range
};

// Mapped, writable memory: the physical range [base, base + n), at `p`. Does not own it.
struct window {
	uint8_t *p;
	uint64_t base;
	size_t n;
};

#define RANGE_SET_MAX 128

// Ascending, disjoint, and not adjacent: range_set_add() merges ranges that touch.
struct range_set {
	uint32_t count;
	struct range ranges[RANGE_SET_MAX];
};

static inline uint64_t range_size(struct range r)
{
	return r.end - r.start;
}

static inline bool range_overlaps(struct range a, struct range b)
{
	return a.start < b.end && b.start < a.end;
}

static inline bool range_inside(struct range inner, struct range outer)
{
	return inner.start >= outer.start && inner.end <= outer.end;
}

// Returns what `a` and `b` have in common. If that is nothing, the result has start >= end.
static inline struct range range_intersection(struct range a, struct range b)
{
	return (struct range){ a.start > b.start ? a.start : b.start,
			       a.end < b.end ? a.end : b.end };
}

// Add or remove addresses. An empty range changes nothing. If there is no room for another range,
// the set stays as it is, and both functions return MEMORY_MAP_TOO_LONG without printing a refusal.
// Removal needs room, too: from the middle of a range it leaves two.
must_check enum status range_set_add(struct range_set *set, struct range r);
must_check enum status range_set_remove(struct range_set *set, struct range r);
// Returns true if one range of the set contains `r`.
bool range_set_contains(const struct range_set *set, struct range r);

// Returns the first address of `r` that is in no range of the set, or r.end if all are.
uint64_t range_set_first_outside(const struct range_set *set, struct range r);

// What range_find() looks for.
struct range_constraints {
	// Size in bytes, not 0.
	uint64_t size;
	// The start is a multiple of this power of two.
	uint64_t align;
	// The range crosses no multiple of this power of two. 0: it may.
	uint64_t boundary;
	struct range within;
};

// Finds the lowest range in `set` that meets the constraints and overlaps no range of `busy`.
// Returns false, and leaves `out` unchanged, if there is none.
must_check bool range_find(const struct range_set *set, const struct range *busy, size_t busy_count,
			   const struct range_constraints *want, struct range *out);

// Finds the highest one, for constraints without a boundary.
must_check bool range_find_highest(const struct range_set *set, const struct range *busy,
				   size_t busy_count, const struct range_constraints *want,
				   struct range *out);
