// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Multiboot information. Lengths and addresses are untrusted.
#include "proto/x86/protocol.h"

// Multiboot Specification 0.6.96, 3.2 (machine state) and 3.3 (offsets in the structure).
// All fields have 32 bits. A bit of `flags` says which of them are valid.
enum {
	MAGIC_AT_ENTRY = 0x2badb002,
	FLAG_MEMORY = 1 << 0,
	FLAG_CMDLINE = 1 << 2,
	FLAG_MODULES = 1 << 3,
	FLAG_MMAP = 1 << 6,
	// mem_lower and mem_upper, in KiB.
	MEM_LOWER_AT = 4,
	MEM_UPPER_AT = 8,
	CMDLINE_AT = 16,
	MODULE_COUNT_AT = 20,
	MODULES_AT = 24,
	MMAP_LENGTH_AT = 44,
	MMAP_AT = 48,
	// Up to the last field that is read.
	INFO_SIZE = 52,
	// Start, end, string, reserved.
	MODULE_SIZE = 16,
	// Of a memory map entry, without its size field.
	ENTRY_MIN = 20,
	TYPE_AVAILABLE = 1,
};

struct multiboot_reader {
	struct protocol_reader common;
	// INFO_SIZE bytes.
	const uint8_t *info;
};

static uint32_t field(const struct multiboot_reader *r, unsigned at)
{
	return load_u32(r->info + at, ORDER_LITTLE);
}

static enum status read_modules(const struct multiboot_reader *r)
{
	uint32_t count = field(r, MODULE_COUNT_AT);
	struct span list;
	if (count == 0)
		return STATUS_OK;
	// The first module is the application. The others are only counted.
	if (!protocol_span(&r->common, field(r, MODULES_AT), MODULE_SIZE, &list))
		return refuse(STATUS_MULTIBOOT_INFO,
			      "the list of %u modules at %#x is out of reach", count,
			      field(r, MODULES_AT));
	return protocol_module(&r->common,
			       (struct range){ load_u32(list.p, ORDER_LITTLE),
					       load_u32(list.p + 4, ORDER_LITTLE) },
			       count);
}

// An entry of the memory map. Its size field, which precedes it, does not count itself.
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
	// An end of 2^64 wraps to 0: the range is empty and unused.
	uint64_t end;
	return size >= ENTRY_MIN && *at <= map.n &&
	       (!add_overflows(out->address, out->size, &end) || end == 0);
}

// Entries differ in size: each one has a size field (3.3, mmap_*).
static enum status read_map(const struct multiboot_reader *r)
{
	struct span map;
	if (!protocol_span(&r->common, field(r, MMAP_AT), field(r, MMAP_LENGTH_AT), &map))
		return refuse(STATUS_MULTIBOOT_INFO,
			      "the memory map at %#x with %#x bytes is out of reach",
			      field(r, MMAP_AT), field(r, MMAP_LENGTH_AT));
	for (enum protocol_pass pass = PROTOCOL_ADD_RAM; pass <= PROTOCOL_REMOVE_RESERVED; pass++) {
		for (uint64_t at = 0; at < map.n;) {
			struct entry e;
			uint64_t start = at;
			if (!next_entry(map, &at, &e))
				return refuse(STATUS_MEMORY_MAP_MALFORMED,
					      "the memory map of %#lx bytes has a malformed entry "
					      "at %#lx",
					      map.n, start);
			TRY(protocol_memory_entry(&r->common, pass,
						  (struct range){ e.address, e.address + e.size },
						  e.type == TYPE_AVAILABLE));
		}
	}
	return STATUS_OK;
}

// Boot loaders without a memory map pass two sizes in KiB: of RAM from 0 and from 1 MiB.
static enum status read_sizes(const struct multiboot_reader *r)
{
	struct range_set *usable = &r->common.boot->usable;
	TRY(range_set_add(usable, (struct range){ 0, KIB(field(r, MEM_LOWER_AT)) }));
	return range_set_add(usable,
			     (struct range){ MIB(1), MIB(1) + KIB(field(r, MEM_UPPER_AT)) });
}

// The memory map takes precedence: the two sizes know no holes and no memory above 4 GiB.
static enum status read_memory(const struct multiboot_reader *r, uint32_t flags)
{
	if ((flags & FLAG_MMAP) != 0)
		TRY(read_map(r));
	else if ((flags & FLAG_MEMORY) != 0)
		TRY(read_sizes(r));
	else
		return refuse(STATUS_MEMORY_MAP_MISSING,
			      "the Multiboot information (flags %#x) has neither memory map nor "
			      "memory sizes",
			      flags);
	return protocol_require_memory(&r->common);
}

enum status multiboot_read(uint32_t magic, uint32_t info, void *(*map)(struct range),
			   struct boot *boot)
{
	struct multiboot_reader reader = {
		.common = { .map = map, .boot = boot, .unreachable = STATUS_MULTIBOOT_INFO }
	};
	struct span bytes;
	if (magic != MAGIC_AT_ENTRY)
		return refuse(STATUS_MULTIBOOT_MAGIC,
			      "EAX was %#x at entry, a Multiboot 1 boot loader passes %#x", magic,
			      (unsigned)MAGIC_AT_ENTRY);
	if (info == 0 || !protocol_span(&reader.common, info, INFO_SIZE, &bytes))
		return refuse(STATUS_MULTIBOOT_INFO,
			      "EBX was %#x at entry, not the address of Multiboot information",
			      info);
	reader.info = bytes.p;
	boot->start_info_at = info;
	uint32_t flags = field(&reader, 0);
	if ((flags & FLAG_CMDLINE) != 0)
		TRY(protocol_cmdline(&reader.common, field(&reader, CMDLINE_AT), UINT64_MAX));
	if ((flags & FLAG_MODULES) != 0)
		TRY(read_modules(&reader));
	return read_memory(&reader, flags);
}
