// SPDX-License-Identifier: Apache-2.0 OR MIT
// Half-open ranges of physical addresses, and small sorted sets of them.
#pragma once

#include "core/base.h"
#include "core/status.h"

struct range {
	uint64_t start;
	uint64_t end; // exclusive; start == end is the empty range
};

#define RANGE_SET_MAX 128

// Ascending, disjoint, not touching: `range_set_add` keeps it so.
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

// Adds or takes away a range; empty ranges change nothing. MEMORY_MAP_TOO_LONG when the set is
// full; the set is then unchanged.
must_check enum status range_set_add(struct range_set *set, struct range r);
must_check enum status range_set_remove(struct range_set *set, struct range r);
bool range_set_contains(const struct range_set *set, struct range r);

// What a hole must be like: `size` bytes (not 0) at a multiple of `align` (a power of two) within
// `within`, that cross no multiple of `boundary` (a power of two, at least `size`; 0: no such
// rule).
struct range_constraints {
	uint64_t size;
	uint64_t align;
	uint64_t boundary;
	struct range within;
};

// The lowest place in `set` that is as wanted and touches none of the `busy` ranges. False when
// there is none.
must_check bool range_find(const struct range_set *set, const struct range *busy, size_t busy_count,
			   const struct range_constraints *want, struct range *out);
