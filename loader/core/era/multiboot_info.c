// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Multiboot Specification 0.6.96, section 3.3. The kernel gets this structure rather than the boot
// loader's, which the image may overwrite and which only the Multiboot protocol passes. All fields
// are little-endian.
#include "core/era/era.h"
#include "core/span.h"

enum {
	// Fields after mmap_addr are zero, and their flags mark them as invalid.
	INFO_SIZE = 96,
	ENTRY_SIZE = 24,
	// Bits of `flags`: the fields that are valid.
	FLAG_CMDLINE = 1 << 2,
	FLAG_MMAP = 1 << 6,
	FLAGS_AT = 0,
	CMDLINE_AT = 16,
	MMAP_LENGTH_AT = 44,
	MMAP_AT = 48,
	TYPE_AVAILABLE = 1,
};

size_t multiboot_info_size(size_t range_count)
{
	return INFO_SIZE + ENTRY_SIZE * range_count;
}

void multiboot_info_write(uint8_t *out, uint64_t at, uint64_t cmdline, const struct range *ram,
			  uint32_t count)
{
	memset(out, 0, INFO_SIZE);
	store_u32(out + FLAGS_AT, FLAG_CMDLINE | FLAG_MMAP, ORDER_LITTLE);
	store_u32(out + CMDLINE_AT, (uint32_t)cmdline, ORDER_LITTLE);
	store_u32(out + MMAP_LENGTH_AT, ENTRY_SIZE * count, ORDER_LITTLE);
	store_u32(out + MMAP_AT, (uint32_t)at + INFO_SIZE, ORDER_LITTLE);
	uint8_t *entry = out + INFO_SIZE;
	for (uint32_t i = 0; i < count; i++, entry += ENTRY_SIZE) {
		// The size field, at offset -4 of the entry in the specification, excludes itself.
		store_u32(entry, ENTRY_SIZE - 4, ORDER_LITTLE);
		store_u64(entry + 4, ram[i].start, ORDER_LITTLE);
		store_u64(entry + 12, range_size(ram[i]), ORDER_LITTLE);
		store_u32(entry + 20, TYPE_AVAILABLE, ORDER_LITTLE);
	}
}
