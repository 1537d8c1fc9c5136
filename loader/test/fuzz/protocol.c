// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What the targets of start information share: running a reader, and judging the memory it found.
#include "test/fuzz/fuzz.h"

enum { ENTRIES = 64 };

uint64_t fuzz_get(uint64_t at, unsigned size)
{
	uint64_t value = 0;
	if (at > FUZZ_RAM || size > FUZZ_RAM - at)
		return 0;
	for (unsigned i = size; i > 0; i--)
		value = value << 8 | fake_memory()[at + i - 1];
	return value;
}

// Entries that end beyond 2^64 are refused or empty; they contain nothing here.
static bool contains(const struct fuzz_entry *entry, uint64_t address)
{
	return entry->start + entry->size >= entry->start && address >= entry->start &&
	       address - entry->start < entry->size;
}

static bool is_free(const struct fuzz_entry *entries, size_t count, uint64_t address)
{
	bool ram = false;
	for (size_t i = 0; i < count; i++) {
		if (!contains(&entries[i], address))
			continue;
		if (!entries[i].is_ram)
			return false;
		ram = true;
	}
	return ram;
}

static bool is_usable(const struct range_set *set, uint64_t address)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (address >= set->ranges[i].start && address < set->ranges[i].end)
			return true;
	return false;
}

// A set of ranges differs from the map only if it does at an edge of one of the two.
static void check_edges(const struct boot *boot, const struct fuzz_entry *entries, size_t count)
{
	const struct range_set *set = &boot->usable;
	for (size_t i = 0; i < count + set->count; i++) {
		const struct range r = i < count ? (struct range){ entries[i].start,
								   entries[i].start +
									   entries[i].size }
						 : set->ranges[i - count];
		const uint64_t edges[] = { r.start - 1, r.start, r.end - 1, r.end };
		for (unsigned k = 0; k < countof(edges); k++)
			FUZZ_CHECK(is_usable(set, edges[k]) == is_free(entries, count, edges[k]));
	}
	for (uint32_t i = 0; i < set->count; i++) {
		FUZZ_CHECK(set->ranges[i].start < set->ranges[i].end);
		FUZZ_CHECK(i == 0 || set->ranges[i - 1].end < set->ranges[i].start);
	}
}

void fuzz_protocol(const uint8_t *data, size_t n, enum status (*read)(struct boot *boot),
		   size_t (*entries)(struct fuzz_entry *out, size_t room))
{
	static struct boot boot;
	static struct fuzz_entry map[ENTRIES];
	boot = (struct boot){ .loader = { 0x100000, 0x110000 }, .mappable = { 0, FUZZ_RAM } };
	console_open();
	fake_open(FUZZ_RAM);
	memset(fake_memory(), 0, FUZZ_RAM);
	memcpy(fake_memory() + FUZZ_AT, data, n < FUZZ_RAM - FUZZ_AT ? n : FUZZ_RAM - FUZZ_AT);
	fake_seal();
	const enum status status = read(&boot);
	fake_unseal();
	if (status != STATUS_OK)
		return;
	FUZZ_CHECK(boot.usable.count != 0);
	const size_t count = entries(map, countof(map));
	if (count <= countof(map))
		check_edges(&boot, map, count);
}
