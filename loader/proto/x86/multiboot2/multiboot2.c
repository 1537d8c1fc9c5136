// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Multiboot2 information: tags in one range of memory. Sizes and addresses are untrusted.
#include "proto/x86/protocol.h"

// Multiboot2 Specification 2.0, 3.3 (machine state) and 3.4 (boot information). Offsets in a tag
// count from its start: type (4), size (4). The size excludes the padding to a multiple of 8.
enum {
	MAGIC_AT_ENTRY = 0x36d76289,
	// total_size and a reserved word.
	INFO_HEADER = 8,
	// One with a long module list has less than 64 KiB. The bound keeps the map small.
	INFO_MAX = 0x100000,
	TAG_HEADER = 8,
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_MODULE = 3,
	TAG_MMAP = 6,
	TAG_RSDP_OLD = 14,
	TAG_RSDP_NEW = 15,
	MODULE_START_AT = 8,
	MODULE_END_AT = 12,
	MODULE_MIN = 16,
	MMAP_ENTRY_SIZE_AT = 8,
	MMAP_ENTRIES_AT = 16,
	// Address, size, type, reserved.
	MMAP_ENTRY_MIN = 24,
};

struct multiboot2_reader {
	struct protocol_reader common;
	// The first tag of each kind; empty: none.
	struct span cmdline, module, mmap;
	uint64_t rsdp;
	uint32_t module_count;
};

// The first tag of a kind is used.
static void keep_first(struct span *kept, struct span tag)
{
	if (kept->n == 0)
		*kept = tag;
}

static void record_tag(struct multiboot2_reader *r, uint32_t type, struct span tag, uint64_t at)
{
	if (type == TAG_CMDLINE) {
		keep_first(&r->cmdline, tag);
	} else if (type == TAG_MODULE) {
		keep_first(&r->module, tag);
		r->module_count++;
	} else if (type == TAG_MMAP) {
		keep_first(&r->mmap, tag);
	} else if (type == TAG_RSDP_NEW || (type == TAG_RSDP_OLD && r->rsdp == 0)) {
		// The tag contains a copy of the RSDP.
		r->rsdp = at + TAG_HEADER;
	}
}

// Tags of unknown types are skipped.
static enum status read_tags(struct multiboot2_reader *r, struct span info, uint64_t base)
{
	for (uint64_t at = INFO_HEADER;;) {
		struct span tag;
		uint32_t size = 0;
		if (span_sub(info, at, TAG_HEADER, &tag))
			size = load_u32(tag.p + 4, ORDER_LITTLE);
		if (size < TAG_HEADER || !span_sub(info, at, size, &tag))
			return refuse(STATUS_MULTIBOOT_INFO,
				      "the Multiboot2 information at %#lx with %#lx bytes has a "
				      "malformed tag at offset %#lx",
				      base, info.n, at);
		const uint32_t type = load_u32(tag.p, ORDER_LITTLE);
		if (type == TAG_END)
			return STATUS_OK;
		record_tag(r, type, tag, base + at);
		at = align_up(at + size, 8);
	}
}

static enum status read_cmdline(struct multiboot2_reader *r, uint64_t at)
{
	struct span line = { r->cmdline.p + TAG_HEADER, r->cmdline.n - TAG_HEADER };
	size_t n = 0;
	while (n < line.n && line.p[n] != '\0')
		n++;
	if (n == line.n || n > CMDLINE_MAX)
		return refuse(STATUS_CMDLINE_TOO_LONG,
			      "the command line at %#lx has no end within %#lx bytes", at,
			      n == line.n ? line.n : CMDLINE_MAX + 1);
	r->common.boot->cmdline = (struct span){ line.p, n };
	return STATUS_OK;
}

static enum status read_module(struct multiboot2_reader *r)
{
	if (r->module.n < MODULE_MIN)
		return refuse(STATUS_MULTIBOOT_MODULE, "the tag of the first module has %#lx bytes",
			      r->module.n);
	return protocol_module(
		&r->common,
		(struct range){ load_u32(r->module.p + MODULE_START_AT, ORDER_LITTLE),
				load_u32(r->module.p + MODULE_END_AT, ORDER_LITTLE) },
		r->module_count);
}

static enum status read_memory(struct multiboot2_reader *r)
{
	if (r->mmap.n == 0)
		return refuse(STATUS_MEMORY_MAP_MISSING,
			      "the Multiboot2 information has no memory map");
	const uint32_t entry = r->mmap.n < MMAP_ENTRIES_AT
				       ? 0
				       : load_u32(r->mmap.p + MMAP_ENTRY_SIZE_AT, ORDER_LITTLE);
	if (entry < MMAP_ENTRY_MIN || entry % 8 != 0)
		return refuse(STATUS_MEMORY_MAP_MALFORMED,
			      "the memory map of %#lx bytes has entries of %#x bytes", r->mmap.n,
			      entry);
	return protocol_e820(
		&r->common,
		(struct span){ r->mmap.p + MMAP_ENTRIES_AT, r->mmap.n - MMAP_ENTRIES_AT }, entry);
}

enum status multiboot2_read(uint32_t magic, uint32_t info, void *(*map)(struct range),
			    struct boot *boot)
{
	struct multiboot2_reader reader = {
		.common = { .map = map, .boot = boot, .unreachable = STATUS_MULTIBOOT_INFO }
	};
	struct span bytes;
	if (magic != MAGIC_AT_ENTRY)
		return refuse(STATUS_MULTIBOOT_MAGIC,
			      "EAX was %#x at entry, a Multiboot 2 boot loader passes %#x", magic,
			      (unsigned)MAGIC_AT_ENTRY);
	if (info == 0 || !protocol_span(&reader.common, info, INFO_HEADER, &bytes))
		return refuse(STATUS_MULTIBOOT_INFO,
			      "EBX was %#x at entry, not the address of Multiboot2 information",
			      info);
	const uint32_t size = load_u32(bytes.p, ORDER_LITTLE);
	if (size > INFO_MAX || !protocol_span(&reader.common, info, size, &bytes))
		return refuse(STATUS_MULTIBOOT_INFO,
			      "the Multiboot2 information at %#x with %#x bytes is out of reach",
			      info, size);
	boot->start_info_at = info;
	TRY(read_tags(&reader, bytes, info));
	if (reader.cmdline.n != 0)
		TRY(read_cmdline(&reader,
				 info + (uint64_t)(reader.cmdline.p - bytes.p) + TAG_HEADER));
	if (reader.module_count != 0)
		TRY(read_module(&reader));
	protocol_rsdp(&reader.common, reader.rsdp);
	return read_memory(&reader);
}
