// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The start information of PVH. Lengths and addresses are untrusted.
#include "proto/x86/protocol.h"

// Offsets in struct hvm_start_info (Xen's start_info.h) version 1, and sizes of the entries that it
// points to. The fields between are not read: flags, and the reserved words.
enum {
	MAGIC = 0x336ec578,
	VERSION_AT = 4,
	MODULE_COUNT_AT = 12,
	MODULES_AT = 16,
	CMDLINE_AT = 24,
	RSDP_AT = 32,
	MMAP_AT = 40,
	MMAP_COUNT_AT = 48,
	INFO_SIZE = 56,
	// struct hvm_modlist_entry: address, size, address of its command line, reserved; u64 each.
	MODULE_SIZE = 32,
	// struct hvm_memmap_table_entry: an E820 entry and four reserved bytes.
	ENTRY_SIZE = 24,
};

static enum status read_modules(const struct protocol_reader *reader, struct span info)
{
	uint32_t count = load_u32(info.p + MODULE_COUNT_AT, ORDER_LITTLE);
	uint64_t at = load_u64(info.p + MODULES_AT, ORDER_LITTLE);
	struct span list;
	if (count == 0)
		return STATUS_OK;
	// The first module is the application. The others are only counted.
	if (!protocol_span(reader, at, MODULE_SIZE, &list))
		return refuse(STATUS_START_STATE, "the list of %u modules at %#lx is out of reach",
			      count, at);
	return protocol_app(reader, load_u64(list.p, ORDER_LITTLE),
			    load_u64(list.p + 8, ORDER_LITTLE), count);
}

// Version 0 of the structure has no memory map: it was to come from a hypercall of Xen.
static enum status read_memory(const struct protocol_reader *reader, struct span info)
{
	uint32_t version = load_u32(info.p + VERSION_AT, ORDER_LITTLE);
	struct span map;
	if (version == 0)
		return refuse(STATUS_MEMORY_MAP_MISSING,
			      "the start information has version 0, which has no memory map");
	uint64_t at = load_u64(info.p + MMAP_AT, ORDER_LITTLE);
	uint32_t count = load_u32(info.p + MMAP_COUNT_AT, ORDER_LITTLE);
	if (count == 0)
		return refuse(STATUS_MEMORY_MAP_MISSING, "the start information has no memory map");
	if (!protocol_span(reader, at, (uint64_t)ENTRY_SIZE * count, &map))
		return refuse(STATUS_START_STATE,
			      "the memory map of %u entries at %#lx is out of reach", count, at);
	return protocol_e820(reader, map, ENTRY_SIZE);
}

enum status pvh_read(uint32_t info, void *(*map)(struct range), struct boot *boot)
{
	const struct protocol_reader reader = { .map = map,
						.boot = boot,
						.unreachable = STATUS_START_STATE };
	struct span bytes;
	if (info == 0 || !protocol_span(&reader, info, INFO_SIZE, &bytes))
		return refuse(STATUS_START_STATE,
			      "EBX was %#x at entry, not the address of PVH start information",
			      info);
	uint32_t magic = load_u32(bytes.p, ORDER_LITTLE);
	if (magic != MAGIC)
		return refuse(
			STATUS_START_STATE,
			"the value at EBX (%#x) is %#x, PVH start information starts with %#x",
			info, magic, (unsigned)MAGIC);
	boot->start_info_at = info;
	const uint64_t cmdline = load_u64(bytes.p + CMDLINE_AT, ORDER_LITTLE);
	if (cmdline != 0)
		TRY(protocol_cmdline(&reader, cmdline, UINT64_MAX));
	TRY(read_modules(&reader, bytes));
	protocol_rsdp(&reader, load_u64(bytes.p + RSDP_AT, ORDER_LITTLE));
	return read_memory(&reader, bytes);
}
