// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/x86/protocol.h"

#include <string.h>

#include "test/protocol_fake.h"
#include "test/test.h"

enum {
	MAGIC = 0x2badb002,
	INFO = 0x9000,
	MAP = 0xa000,
	LIST = 0xb000,
	LINE = 0x20000,
	CMDLINE = 4,
	MODULES = 8,
	MMAP = 0x40
};

static uint64_t map_end;

static void add_sized(uint32_t size, uint64_t address, uint64_t bytes, uint32_t type)
{
	put32(map_end, size);
	put64(map_end + 4, address);
	put64(map_end + 12, bytes);
	put32(map_end + 20, type);
	map_end += 4 + (uint64_t)size;
	put32(INFO + 44, map_end - MAP);
}

static void add(uint64_t address, uint64_t bytes, uint32_t type)
{
	add_sized(20, address, bytes, type);
}

static void start(uint32_t flags)
{
	protocol_clear();
	map_end = MAP;
	put32(INFO, flags);
	put32(INFO + 16, LINE);
	put32(INFO + 24, LIST);
	put32(INFO + 48, MAP);
	add(0, 0x9fc00, 1);
	console_open();
}

static enum status run_with(uint32_t magic, uint32_t info)
{
	protocol_begin();
	return protocol_end(multiboot_read(magic, info, fake_map, &protocol_boot));
}

static enum status run(void)
{
	return run_with(MAGIC, INFO);
}

static void everything_is_found_and_recorded(void)
{
	start(CMDLINE | MODULES | MMAP);
	memcpy(fake_memory() + LINE, "abc def", 8);
	put32(INFO + 20, 2);
	put32(LIST, 0x30000);
	put32(LIST + 4, 0x30123);
	add(0x100000, 0x3f00000, 1);
	CHECK_EQ(run(), STATUS_OK);
	check_parsed(INFO, "abc def", 2, 0x30000, 0x123);
	check_usable("0-9fc00 100000-4000000 ");
	CHECK_EQ(protocol_boot.start_info_count, 4);
	CHECK(is_start_info(INFO, INFO + 52) && is_start_info(LINE, LINE + 7) &&
	      is_start_info(LIST, LIST + 16) && is_start_info(MAP, map_end));
}

static void what_is_not_flagged_is_not_there(void)
{
	start(MMAP);
	put32(INFO + 16, UINT32_MAX);
	put32(INFO + 20, 1);
	put32(INFO + 24, UINT32_MAX);
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.cmdline.n + protocol_boot.app.n + protocol_boot.module_count, 0);
}

static void magic_and_address(void)
{
	start(MMAP);
	CHECK_REFUSED(run_with(0x36d76289, INFO), MULTIBOOT_MAGIC,
		      "87 multiboot-magic: EAX was 0x36d76289 at entry, a Multiboot 1 boot loader "
		      "passes 0x2badb002");
	CHECK_REFUSED(run_with(MAGIC, 0), MULTIBOOT_INFO,
		      "87 multiboot-info: EBX was 0x0 at entry, not the address of Multiboot "
		      "information");
	CHECK_REFUSED(run_with(MAGIC, UINT32_MAX), MULTIBOOT_INFO,
		      "87 multiboot-info: EBX was 0xffffffff at entry, not the address of "
		      "Multiboot information");
	CHECK_REFUSED(run_with(MAGIC, 0xffffffcd), MULTIBOOT_INFO,
		      "87 multiboot-info: EBX was 0xffffffcd at entry, not the address of "
		      "Multiboot information");
}

static void the_command_line_must_end(void)
{
	start(CMDLINE | MMAP);
	memset(fake_memory() + LINE, 'x', CMDLINE_MAX + 1);
	fake_memory()[LINE + CMDLINE_MAX] = '\0';
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.cmdline.n, CMDLINE_MAX);
	fake_memory()[LINE + CMDLINE_MAX] = 'x';
	CHECK_REFUSED(
		run(), CMDLINE_TOO_LONG,
		"93 cmdline-too-long: the command line at 0x20000 has no end within 0x10001 bytes");
}

static void the_command_line_near_the_end_of_reach(void)
{
	start(CMDLINE | MMAP);
	put32(INFO + 16, 0xfffffff0);
	CHECK_EQ(run(), STATUS_OK); // there is nothing: zeroes
	CHECK_EQ(protocol_boot.cmdline.n, 0);
	put32(INFO + 16, 0);
	CHECK_REFUSED(run(), MULTIBOOT_INFO,
		      "87 multiboot-info: the command line at 0x0 is out of reach");
}

static void modules(void)
{
	start(MODULES | MMAP);
	put32(INFO + 20, 0);
	put32(INFO + 24, UINT32_MAX);
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.module_count, 0);
	put32(INFO + 20, 3);
	CHECK_REFUSED(run(), MULTIBOOT_INFO,
		      "87 multiboot-info: the list of 3 modules at 0xffffffff is out of reach");
	put32(INFO + 24, LIST);
	put32(LIST, 0x30001);
	put32(LIST + 4, 0x30000);
	CHECK_REFUSED(run(), MULTIBOOT_MODULE,
		      "87 multiboot-module: the first module 0x30001..0x30000 is not a range "
		      "within reach");
	put32(LIST, 0);
	CHECK_REFUSED(
		run(), MULTIBOOT_MODULE,
		"87 multiboot-module: the first module 0x0..0x30000 is not a range within reach");
	put32(LIST, 0x30000);
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.app.n, 0);
	CHECK_EQ(protocol_boot.module_count, 3);
}

static void memory_is_missing(void)
{
	start(CMDLINE);
	CHECK_REFUSED(run(), MEMORY_MAP_MISSING,
		      "89 memory-map-missing: the Multiboot information (flags 0x4) has neither "
		      "memory map nor memory sizes");
}

static void old_boot_loaders_report_two_sizes(void)
{
	start(1);
	put32(INFO + 4, 639);
	put32(INFO + 8, 0x1f000);
	CHECK_EQ(run(), STATUS_OK);
	check_usable("0-9fc00 100000-7d00000 ");
	put32(INFO + 4, 0);
	put32(INFO + 8, UINT32_MAX);
	CHECK_EQ(run(), STATUS_OK);
	check_usable("100000-400000ffc00 ");
	put32(INFO + 8, 0);
	CHECK_REFUSED(run(), MEMORY_MAP_EMPTY,
		      "89 memory-map-empty: the memory map has no usable RAM");
}

static void the_map_takes_precedence_over_the_sizes(void)
{
	start(1 | MMAP);
	put32(INFO + 4, 1);
	CHECK_EQ(run(), STATUS_OK);
	check_usable("0-9fc00 ");
}

static void entries_of_odd_sizes(void)
{
	start(MMAP);
	add_sized(24, 0x100000, 0x1000, 1); // ACPI 3 attributes follow
	add_sized(21, 0x200000, 0x1000, 1); // unaligned from here on
	add_sized(100, 0x300000, 0x1000, 1);
	CHECK_EQ(run(), STATUS_OK);
	check_usable("0-9fc00 100000-101000 200000-201000 300000-301000 ");
}

static void malformed_entries(void)
{
	static const uint32_t sizes[] = { 0, 19, 21, UINT32_MAX - 3, UINT32_MAX };
	for (size_t i = 0; i < countof(sizes); i++) {
		start(MMAP);
		add(0x100000, 0x1000, 1);
		put32(MAP + 24, sizes[i]);
		test_case("size %x", sizes[i]);
		CHECK_REFUSED(run(), MEMORY_MAP_MALFORMED,
			      "89 memory-map-malformed: the memory map of 0x30 bytes has a "
			      "malformed entry at 0x18");
	}
	for (uint32_t cut = 25; cut < 48; cut++) {
		char want[120];
		start(MMAP);
		add(0x100000, 0x1000, 1);
		put32(INFO + 44, cut);
		snprintf(want, sizeof want,
			 "89 memory-map-malformed: the memory map of 0x%x bytes has a malformed "
			 "entry at 0x18",
			 cut);
		CHECK_REFUSED(run(), MEMORY_MAP_MALFORMED, want);
	}
	start(MMAP);
	add(UINT64_MAX - 0xfff, 0x1000, 1); // ends with all addresses: not used
	CHECK_EQ(run(), STATUS_OK);
	check_usable("0-9fc00 ");
	start(MMAP);
	add(UINT64_MAX - 0xfff, 0x1001, 1);
	CHECK_REFUSED(run(), MEMORY_MAP_MALFORMED,
		      "89 memory-map-malformed: the memory map of 0x30 bytes has a malformed entry "
		      "at 0x18");
}

static void the_map_is_out_of_reach(void)
{
	start(MMAP);
	put32(INFO + 48, 0xfffffff0);
	CHECK_REFUSED(
		run(), MULTIBOOT_INFO,
		"87 multiboot-info: the memory map at 0xfffffff0 with 0x18 bytes is out of reach");
}

static void the_map_is_empty(void)
{
	start(MMAP);
	put32(INFO + 44, 0);
	CHECK_REFUSED(run(), MEMORY_MAP_EMPTY,
		      "89 memory-map-empty: the memory map has no usable RAM");
	start(MMAP);
	put32(MAP + 20, 2);
	CHECK_REFUSED(run(), MEMORY_MAP_EMPTY,
		      "89 memory-map-empty: the memory map has no usable RAM");
	start(MMAP);
	add(0, 0x100000, 3);
	CHECK_REFUSED(run(), MEMORY_MAP_EMPTY,
		      "89 memory-map-empty: the memory map has no usable RAM");
}

// Any other type of a range overrides usable, in any order of the entries.
static void what_is_reserved_wins(void)
{
	start(MMAP);
	put32(MAP + 20, 2); // 0..0x9fc00
	add(0, 0x200000, 1);
	add(0x150000, 0x1000, 4);
	add(0x100000, 0x100000, 1);
	add(0x1ff000, 0x100000, 0);
	CHECK_EQ(run(), STATUS_OK);
	check_usable("9fc00-150000 151000-1ff000 ");
}

static void touching_and_overlapping_ranges_become_one(void)
{
	start(MMAP);
	add(0x9fc00, 0x400, 1);
	add(0x80000, 0x100000, 1);
	add(0x300000, 0, 1);
	CHECK_EQ(run(), STATUS_OK);
	check_usable("0-180000 ");
}

static void more_ranges_than_the_set_holds(void)
{
	start(MMAP);
	for (uint64_t i = 1; i < RANGE_SET_MAX; i++)
		add(MIB(2) * i, MIB(1), 1);
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.usable.count, RANGE_SET_MAX);
	add(GIB(2), MIB(1), 1);
	CHECK_REFUSED(run(), MEMORY_MAP_TOO_LONG,
		      "89 memory-map-too-long: the memory map has more than 128 ranges");
	start(MMAP);
	for (uint64_t i = 1; i < RANGE_SET_MAX; i++)
		add(MIB(2) * i, MIB(1), 1);
	add(0x1000, 0x1000, 2);
	CHECK_REFUSED(run(), MEMORY_MAP_TOO_LONG,
		      "89 memory-map-too-long: the memory map has more than 128 ranges");
}

static void start_complete(void)
{
	start(CMDLINE | MODULES | MMAP);
	put32(INFO + 20, 1);
	put32(LIST, 0x30000);
	put32(LIST + 4, 0x30123);
	add(0x100000, 0x100000, 1);
}

static void every_flip_is_safe(void)
{
	static const struct range places[] = { { INFO, INFO + 52 },
					       { MAP, MAP + 48 },
					       { LIST, LIST + 16 } };
	check_flips(start_complete, run, places, countof(places));
}

#define T(name) { #name, name }
SUITE(multiboot, T(everything_is_found_and_recorded), T(what_is_not_flagged_is_not_there),
      T(magic_and_address), T(the_command_line_must_end), T(the_command_line_near_the_end_of_reach),
      T(modules), T(memory_is_missing), T(old_boot_loaders_report_two_sizes),
      T(the_map_takes_precedence_over_the_sizes), T(entries_of_odd_sizes), T(malformed_entries),
      T(the_map_is_out_of_reach), T(the_map_is_empty), T(what_is_reserved_wins),
      T(touching_and_overlapping_ranges_become_one), T(more_ranges_than_the_set_holds),
      T(every_flip_is_safe));
