// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "multiboot.h"

enum {
	MAGIC_AT_ENTRY = 0x2badb002,
	FLAG_MEMORY = 1 << 0,
	FLAG_CMDLINE = 1 << 2,
	FLAG_MODULES = 1 << 3,
	FLAG_MMAP = 1 << 6,
	MEM_LOWER_AT = 4,
	MEM_UPPER_AT = 8,
	CMDLINE_AT = 16,
	MODULE_COUNT_AT = 20,
	MODULES_AT = 24,
	MMAP_LENGTH_AT = 44,
	MMAP_AT = 48,
	INFO_SIZE = 52, // as far as we read
	MODULE_SIZE = 16,
	ENTRY_MIN = 20, // of the memory map, without the size field itself
	TYPE_AVAILABLE = 1,
};

struct reader {
	void *(*map)(struct range);
	struct boot *boot;
	const uint8_t *info;
};

static uint32_t field(const struct reader *r, unsigned at)
{
	return load_u32(r->info + at, ORDER_LITTLE);
}

// [address, address + size) as a span, kept from being written. False: not in reach.
static must_check bool show(const struct reader *r, uint64_t address, uint64_t size, struct span *out)
{
	struct range range = { address, address + size };
	void *p = range_inside(range, r->boot->reach) ? r->map(range) : NULL;
	if (p == NULL)
		return false;
	r->boot->keep[r->boot->keep_count++] = range;
	*out = (struct span){ p, size };
	return true;
}

static enum status read_cmdline(const struct reader *r)
{
	uint64_t at = field(r, CMDLINE_AT);
	uint64_t most = CMDLINE_MAX + 1;
	struct boot *boot = r->boot;
	if (at < boot->reach.end && boot->reach.end - at < most)
		most = boot->reach.end - at;
	struct span text;
	if (!show(r, at, most, &text))
		return refuse(STATUS_MULTIBOOT_INFO, "the command line is said to be at %#lx", at);
	size_t n = 0;
	while (n < text.n && text.p[n] != '\0')
		n++;
	if (n == text.n)
		return refuse(STATUS_CMDLINE_TOO_LONG, "the command line at %#lx has no end within %#lx bytes", at, text.n);
	boot->keep[boot->keep_count - 1].end = at + n + 1;
	boot->cmdline = (struct span){ text.p, n };
	return STATUS_OK;
}

static enum status read_modules(const struct reader *r)
{
	uint32_t count = field(r, MODULE_COUNT_AT);
	struct boot *boot = r->boot;
	struct span list;
	if (count == 0)
		return STATUS_OK;
	// The first is the application; the others only have to be told of.
	if (!show(r, field(r, MODULES_AT), MODULE_SIZE, &list))
		return refuse(STATUS_MULTIBOOT_INFO, "the list of %u modules is said to be at %#x", count, field(r, MODULES_AT));
	struct range app = { load_u32(list.p, ORDER_LITTLE), load_u32(list.p + 4, ORDER_LITTLE) };
	void *p = app.start <= app.end && range_inside(app, boot->reach) ? r->map(app) : NULL;
	if (app.start > app.end || (p == NULL && app.start != app.end))
		return refuse(STATUS_MULTIBOOT_MODULE, "the first module is said to be %#lx..%#lx", app.start, app.end);
	boot->app = (struct span){ p, range_size(app) };
	boot->app_at = app.start;
	boot->app_count = count;
	return STATUS_OK;
}

struct entry {
	uint64_t address, size;
	uint32_t type;
};

static must_check bool next_entry(struct span map, uint64_t *at, struct entry *out)
{
	struct span bytes;
	if (!span_sub(map, *at, 4 + ENTRY_MIN, &bytes))
		return false;
	uint64_t size = load_u32(bytes.p, ORDER_LITTLE);
	out->address = load_u64(bytes.p + 4, ORDER_LITTLE);
	out->size = load_u64(bytes.p + 12, ORDER_LITTLE);
	out->type = load_u32(bytes.p + 20, ORDER_LITTLE);
	*at += 4 + size;
	uint64_t end; // 0: the entry ends with the address space, and its end cannot be told; such memory is not used
	return size >= ENTRY_MIN && *at <= map.n && (!add_overflows(out->address, out->size, &end) || end == 0);
}

// Twice through the map: first what is free, then everything else is taken away, in whatever order the entries stand and overlap.
static enum status read_map(const struct reader *r)
{
	struct range_set *usable = &r->boot->usable;
	struct span map;
	if (!show(r, field(r, MMAP_AT), field(r, MMAP_LENGTH_AT), &map))
		return refuse(STATUS_MULTIBOOT_INFO, "the memory map is said to be at %#x with %#x bytes", field(r, MMAP_AT),
			      field(r, MMAP_LENGTH_AT));
	for (unsigned pass = 0; pass < 2; pass++) {
		for (uint64_t at = 0; at < map.n;) {
			struct entry e;
			uint64_t start = at;
			if (!next_entry(map, &at, &e))
				return refuse(STATUS_MEMORY_MAP_MALFORMED, "the memory map of %#lx bytes has a malformed entry at %#lx", map.n,
					      start);
			struct range range = { e.address, e.address + e.size };
			enum status status = STATUS_OK;
			if (pass == 0 && e.type == TYPE_AVAILABLE)
				status = range_set_add(usable, range);
			else if (pass == 1 && e.type != TYPE_AVAILABLE)
				status = range_set_remove(usable, range);
			if (status != STATUS_OK)
				return refuse(status, "the memory map has more than %u ranges", RANGE_SET_MAX);
		}
	}
	return STATUS_OK;
}

// Two sizes in KiB, from 0 and from 1 MiB on: all that an old starter tells.
static enum status read_sizes(const struct reader *r)
{
	struct range_set *usable = &r->boot->usable;
	TRY(range_set_add(usable, (struct range){ 0, KIB(field(r, MEM_LOWER_AT)) }));
	return range_set_add(usable, (struct range){ MIB(1), MIB(1) + KIB(field(r, MEM_UPPER_AT)) });
}

static enum status read_memory(const struct reader *r, uint32_t flags)
{
	if ((flags & FLAG_MMAP) != 0)
		TRY(read_map(r));
	else if ((flags & FLAG_MEMORY) != 0)
		TRY(read_sizes(r));
	else
		return refuse(STATUS_MEMORY_MAP_MISSING, "the Multiboot information (flags %#x) has neither memory map nor memory sizes", flags);
	if (r->boot->usable.count == 0)
		return refuse(STATUS_MEMORY_MAP_EMPTY, "the memory map has no usable RAM");
	return STATUS_OK;
}

enum status multiboot_read(uint32_t magic, uint32_t info, void *(*map)(struct range), struct boot *boot)
{
	struct reader reader = { .map = map, .boot = boot };
	struct span bytes;
	if (magic != MAGIC_AT_ENTRY)
		return refuse(STATUS_MULTIBOOT_MAGIC, "EAX was %#x at entry, a Multiboot 1 starter leaves %#x", magic, (unsigned)MAGIC_AT_ENTRY);
	if (info == 0 || !show(&reader, info, INFO_SIZE, &bytes))
		return refuse(STATUS_MULTIBOOT_INFO, "EBX was %#x at entry, no address of Multiboot information", info);
	reader.info = bytes.p;
	boot->start_at = info;
	uint32_t flags = field(&reader, 0);
	if ((flags & FLAG_CMDLINE) != 0)
		TRY(read_cmdline(&reader));
	if ((flags & FLAG_MODULES) != 0)
		TRY(read_modules(&reader));
	return read_memory(&reader, flags);
}
