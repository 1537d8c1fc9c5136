// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "test/page_walk.h"

#include <stdio.h>

enum { ENTRIES = 512, FLAGS = 0xfff, PRESENT = 1, LARGE = 0x80 };

struct walk {
	struct window tables;
	char *out;
	size_t room, used;
	uint64_t start, end, physical, size, flags; // the run that is not yet reported
	bool good;
};

static uint64_t entry_at(const struct walk *w, uint64_t table, unsigned i)
{
	return load_u64(w->tables.p + (table - w->tables.base) + 8 * i, ORDER_LITTLE);
}

static void report(struct walk *w)
{
	if (w->size != 0)
		w->used += (size_t)snprintf(w->out + w->used, w->room - w->used,
					    "%lx..%lx -> %lx %s %lx\n", w->start, w->end,
					    w->physical,
					    w->size == 0x1000     ? "4K"
					    : w->size == 0x200000 ? "2M"
								  : "1G",
					    w->flags);
	w->good = w->good && w->used < w->room;
	w->size = 0;
}

static void page(struct walk *w, uint64_t at, uint64_t entry, uint64_t size)
{
	uint64_t physical = entry & ~(uint64_t)FLAGS;
	if (w->size != size || w->end != at || w->flags != (entry & FLAGS) ||
	    w->physical + (w->end - w->start) != physical) {
		report(w);
		w->start = at;
		w->physical = physical;
		w->size = size;
		w->flags = entry & FLAGS;
	}
	w->end = at + size;
}

static void level(struct walk *w, uint64_t table, uint64_t at, uint64_t size)
{
	for (unsigned i = 0; i < ENTRIES && w->good; i++, at += size) {
		uint64_t entry = entry_at(w, table, i), next = entry & ~(uint64_t)FLAGS;
		if (entry == 0)
			continue;
		if (size == 0x1000 || (entry & LARGE) != 0) {
			page(w, at, entry, size);
		} else if (size == (uint64_t)1 << 39 && next == w->tables.base) {
			report(w);
			w->used += (size_t)snprintf(w->out + w->used, w->room - w->used,
						    "recursive %u %lx\n", i, entry & FLAGS);
		} else if ((entry & PRESENT) == 0 || next < w->tables.base ||
			   next - w->tables.base > w->tables.n - 0x1000) {
			report(w);
			w->used += (size_t)snprintf(w->out + w->used, w->room - w->used,
						    "stray entry %lx\n", entry);
			w->good = false;
		} else {
			level(w, next, at, size / ENTRIES);
		}
	}
}

bool page_walk(struct window tables, char *out, size_t room)
{
	struct walk w = { .tables = tables, .out = out, .room = room, .good = true };
	out[0] = '\0';
	level(&w, tables.base, 0, (uint64_t)1 << 39);
	report(&w);
	return w.good;
}
