// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The zero page of the 64-bit Linux entry. Addresses and sizes in it are untrusted.
#include "proto/x86/protocol.h"

// Offsets in the zero page (Documentation/arch/x86/zero-page.rst). From 0x1f1 on it has a copy of
// the setup header (boot.rst, "Details of Header Fields"). Fields are u32 unless noted.
enum {
	RSDP_AT = 0x070, // u64
	// High halves of the fields without EXT_.
	EXT_RAMDISK_AT = 0x0c0,
	EXT_RAMDISK_SIZE_AT = 0x0c4,
	EXT_CMDLINE_AT = 0x0c8,
	E820_COUNT_AT = 0x1e8, // u8
	BOOT_FLAG_AT = 0x1fe,  // u16
	BOOT_FLAG = 0xaa55,
	HEADER_AT = 0x202,
	HEADER = 0x53726448, // "HdrS"
	RAMDISK_AT = 0x218,
	RAMDISK_SIZE_AT = 0x21c,
	CMDLINE_AT = 0x228,
	CMDLINE_SIZE_AT = 0x238,
	// Packed entries of address (u64), size (u64) and type.
	E820_AT = 0x2d0,
	E820_ENTRY_SIZE = 20,
	E820_MAX = 128,
	ZERO_PAGE_SIZE = 4096,
};

// Boot protocol 2.12 added the high halves elsewhere in the page. Older boot loaders leave them 0.
static uint64_t field_u64(struct span params, unsigned low_at, unsigned high_at)
{
	return load_u32(params.p + low_at, ORDER_LITTLE) |
	       (uint64_t)load_u32(params.p + high_at, ORDER_LITTLE) << 32;
}

static enum status read_app(const struct protocol_reader *reader, struct span params)
{
	uint64_t size = field_u64(params, RAMDISK_SIZE_AT, EXT_RAMDISK_SIZE_AT);
	if (size == 0)
		return STATUS_OK;
	return protocol_app(reader, field_u64(params, RAMDISK_AT, EXT_RAMDISK_AT), size, 1);
}

// The meaning of cmdline_size differs between VMMs: the length with or without NUL, or the maximum
// that the kernel accepts. 0: not set, so only NUL ends the line.
static enum status read_cmdline(const struct protocol_reader *reader, struct span params)
{
	uint32_t size = load_u32(params.p + CMDLINE_SIZE_AT, ORDER_LITTLE);
	uint64_t at = field_u64(params, CMDLINE_AT, EXT_CMDLINE_AT);
	return at == 0 ? STATUS_OK : protocol_cmdline(reader, at, size != 0 ? size : UINT64_MAX);
}

static enum status read_memory(const struct protocol_reader *reader, struct span params)
{
	unsigned count = params.p[E820_COUNT_AT];
	if (count == 0)
		return refuse(STATUS_MEMORY_MAP_MISSING,
			      "the zero page has no memory map (e820_entries is 0)");
	if (count > E820_MAX)
		return refuse(STATUS_MEMORY_MAP_TOO_LONG,
			      "the zero page has %u memory ranges, the maximum is %u", count,
			      (unsigned)E820_MAX);
	struct span map = { params.p + E820_AT, (size_t)E820_ENTRY_SIZE * count };
	return protocol_e820(reader, map, E820_ENTRY_SIZE);
}

enum status linux64_read(uint64_t at, void *(*map)(struct range), struct boot *boot)
{
	const struct protocol_reader reader = { .map = map,
						.boot = boot,
						.unreachable = STATUS_START_STATE };
	struct span params;
	if (at == 0 || !protocol_span(&reader, at, ZERO_PAGE_SIZE, &params))
		return refuse(STATUS_START_STATE,
			      "RSI was %#lx at entry, not the address of a zero page", at);
	// The marks of a setup header. VMMs that fill in the page themselves set them as well.
	unsigned flag = load_u16(params.p + BOOT_FLAG_AT, ORDER_LITTLE);
	uint32_t header = load_u32(params.p + HEADER_AT, ORDER_LITTLE);
	if (flag != BOOT_FLAG || header != HEADER)
		return refuse(
			STATUS_START_STATE,
			"no zero page at RSI (%#lx): boot_flag %#x, header %#x, expected %#x, %#x",
			at, flag, header, (unsigned)BOOT_FLAG, (unsigned)HEADER);
	boot->start_info_at = at;
	boot->boot_params = params;
	TRY(read_cmdline(&reader, params));
	TRY(read_app(&reader, params));
	protocol_rsdp(&reader, load_u64(params.p + RSDP_AT, ORDER_LITTLE));
	return read_memory(&reader, params);
}
