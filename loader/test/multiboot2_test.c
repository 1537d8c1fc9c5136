// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/x86/protocol.h"

#include <string.h>

#include "test/protocol_fake.h"
#include "test/test.h"

enum {
	MAGIC = 0x36d76289,
	INFO = 0x9000,
	APP = 0x30000,
	CMDLINE = 1,
	MODULE = 3,
	MMAP = 6,
	RSDP_OLD = 14,
	RSDP_NEW = 15,
};

static uint64_t tag_at, end;

// The information without its end tag, which run() adds.
static void start(void)
{
	protocol_clear();
	end = INFO + 8;
	console_open();
}

static void begin_tag(uint32_t type)
{
	tag_at = end;
	put32(tag_at, type);
	end += 8;
}

static void end_tag(void)
{
	put32(tag_at + 4, end - tag_at);
	end = (end + 7) & ~UINT64_C(7);
}

static void add_cmdline(const char *line)
{
	begin_tag(CMDLINE);
	memcpy(fake_memory() + end, line, strlen(line) + 1);
	end += strlen(line) + 1;
	end_tag();
}

static void add_module(uint32_t from, uint32_t to)
{
	begin_tag(MODULE);
	put32(end, from);
	put32(end + 4, to);
	memcpy(fake_memory() + end + 8, "app", 4);
	end += 12;
	end_tag();
}

static void begin_map(uint32_t entry_size)
{
	begin_tag(MMAP);
	put32(end, entry_size);
	end += 8;
}

static void add_entry(uint64_t address, uint64_t size, uint32_t type)
{
	put64(end, address);
	put64(end + 8, size);
	put32(end + 16, type);
	end += 24;
}

static void add_map(void)
{
	begin_map(24);
	add_entry(0, 0x9fc00, 1);
	add_entry(0x100000, 0x3f00000, 1);
	end_tag();
}

static void add_rsdp(uint32_t type, uint8_t revision, size_t size)
{
	begin_tag(type);
	uint8_t *rsdp = fake_memory() + end, sum = 0;
	memcpy(rsdp, "RSD PTR \0TEST  ", 15);
	rsdp[15] = revision;
	for (size_t i = 0; i < 20; i++)
		sum = (uint8_t)(sum + rsdp[i]);
	rsdp[8] = (uint8_t)-sum;
	if (size > 20) {
		rsdp[20] = (uint8_t)size;
		rsdp[32] = (uint8_t)-size;
	}
	end += size;
	end_tag();
}

static enum status run_with(uint32_t magic, uint32_t info)
{
	protocol_begin();
	return protocol_end(multiboot2_read(magic, info, fake_map, &protocol_boot));
}

static enum status run(void)
{
	put32(end + 4, 8);
	put32(INFO, end + 8 - INFO);
	return run_with(MAGIC, INFO);
}

static void everything_is_found_and_recorded(void)
{
	start();
	begin_tag(2);
	memcpy(fake_memory() + end, "a boot loader", 14);
	end += 14;
	end_tag();
	add_cmdline("abc def");
	add_module(APP, APP + 0x123);
	add_module(0x38000, 0x39000);
	add_map();
	add_rsdp(RSDP_OLD, 0, 20);
	CHECK_EQ(run(), STATUS_OK);
	check_parsed(INFO, "abc def", 2, APP, 0x123);
	check_usable("0-9fc00 100000-4000000 ");
	CHECK_EQ(protocol_boot.rsdp.n, 20);
	CHECK(is_start_info(INFO, end + 8));
}

static void the_newer_rsdp_wins(void)
{
	start();
	add_rsdp(RSDP_OLD, 0, 20);
	add_rsdp(RSDP_NEW, 2, 36);
	add_rsdp(RSDP_OLD, 0, 20);
	add_map();
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.rsdp.n, 36);
}

static void nothing_but_memory(void)
{
	start();
	add_map();
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.cmdline.n + protocol_boot.app.n + protocol_boot.module_count +
			 protocol_boot.rsdp.n,
		 0);
}

static void magic_and_address(void)
{
	start();
	add_map();
	CHECK_EQ(run(), STATUS_OK);
	CHECK_REFUSED(run_with(0x2badb002, INFO), MULTIBOOT_MAGIC,
		      "87 multiboot-magic: EAX was 0x2badb002 at entry, a Multiboot 2 boot loader "
		      "passes 0x36d76289");
	CHECK_REFUSED(run_with(MAGIC, 0), MULTIBOOT_INFO,
		      "87 multiboot-info: EBX was 0x0 at entry, not the address of Multiboot2 "
		      "information");
	CHECK_REFUSED(run_with(MAGIC, 0xfffffffc), MULTIBOOT_INFO,
		      "87 multiboot-info: EBX was 0xfffffffc at entry, not the address of "
		      "Multiboot2 information");
	put32(INFO, 0x100001);
	CHECK_REFUSED(run_with(MAGIC, INFO), MULTIBOOT_INFO,
		      "87 multiboot-info: the Multiboot2 information at 0x9000 with 0x100001 bytes "
		      "is out of reach");
}

static void tags_must_be_inside(void)
{
	start();
	add_map();
	put32(INFO, end - INFO); // no end tag
	CHECK_REFUSED(run_with(MAGIC, INFO), MULTIBOOT_INFO,
		      "87 multiboot-info: the Multiboot2 information at 0x9000 with 0x48 bytes has "
		      "a malformed tag at offset 0x48");
	put32(INFO, 8);
	CHECK_REFUSED(run_with(MAGIC, INFO), MULTIBOOT_INFO,
		      "87 multiboot-info: the Multiboot2 information at 0x9000 with 0x8 bytes has "
		      "a malformed tag at offset 0x8");
	static const uint32_t sizes[] = { 0, 7, 0x49, UINT32_MAX };
	for (size_t i = 0; i < countof(sizes); i++) {
		start();
		add_map();
		put32(INFO + 12, sizes[i]);
		CHECK_REFUSED(run(), MULTIBOOT_INFO,
			      "87 multiboot-info: the Multiboot2 information at 0x9000 with 0x50 "
			      "bytes has a malformed tag at offset 0x8");
	}
}

static void the_command_line_must_end(void)
{
	start();
	add_map();
	add_cmdline("abc");
	put32(tag_at + 4, 11);
	CHECK_REFUSED(run(), CMDLINE_TOO_LONG,
		      "93 cmdline-too-long: the command line at 0x9050 has no end within 0x3 "
		      "bytes");
	start();
	add_map();
	begin_tag(CMDLINE);
	memset(fake_memory() + end, 'x', CMDLINE_MAX + 1);
	end += CMDLINE_MAX + 2;
	end_tag();
	CHECK_REFUSED(run(), CMDLINE_TOO_LONG,
		      "93 cmdline-too-long: the command line at 0x9050 has no end within 0x10001 "
		      "bytes");
	fake_memory()[tag_at + 8 + CMDLINE_MAX] = '\0';
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.cmdline.n, CMDLINE_MAX);
}

static void modules(void)
{
	start();
	add_map();
	add_module(APP, APP);
	CHECK_EQ(run(), STATUS_OK);
	check_parsed(INFO, "", 1, APP, 0);
	put32(tag_at + 12, APP - 1);
	CHECK_REFUSED(
		run(), MULTIBOOT_MODULE,
		"87 multiboot-module: the first module 0x30000..0x2ffff is not a range within "
		"reach");
	put32(tag_at + 8, 0);
	CHECK_REFUSED(
		run(), MULTIBOOT_MODULE,
		"87 multiboot-module: the first module 0x0..0x2ffff is not a range within reach");
	start();
	add_map();
	begin_tag(MODULE);
	end_tag();
	CHECK_REFUSED(run(), MULTIBOOT_MODULE,
		      "87 multiboot-module: the tag of the first module has 0x8 bytes");
}

static void memory_maps(void)
{
	start();
	CHECK_REFUSED(run(), MEMORY_MAP_MISSING,
		      "89 memory-map-missing: the Multiboot2 information has no memory map");
	begin_tag(MMAP);
	end_tag();
	CHECK_REFUSED(run(), MEMORY_MAP_MALFORMED,
		      "89 memory-map-malformed: the memory map of 0x8 bytes has entries of 0x0 "
		      "bytes");
	static const uint32_t sizes[] = { 0, 23, 25, UINT32_MAX };
	for (size_t i = 0; i < countof(sizes); i++) {
		start();
		begin_map(sizes[i]);
		add_entry(0x100000, 0x100000, 1);
		end_tag();
		CHECK_EQ(run(), STATUS_MEMORY_MAP_MALFORMED);
	}
	start();
	begin_map(24);
	end_tag();
	CHECK_REFUSED(run(), MEMORY_MAP_EMPTY,
		      "89 memory-map-empty: the memory map has no usable RAM");
	start();
	begin_map(32); // a later version of the specification may extend entries
	add_entry(0x100000, 0x100000, 1);
	end += 8;
	add_entry(0x180000, 0x1000, 2);
	end += 8;
	end_tag();
	CHECK_EQ(run(), STATUS_OK);
	check_usable("100000-180000 181000-200000 ");
}

static void start_complete(void)
{
	start();
	add_map();
	add_cmdline("abc");
	add_module(APP, APP + 0x123);
}

static void every_flip_is_safe(void)
{
	static const struct range places[] = { { INFO, INFO + 0x70 } };
	check_flips(start_complete, run, places, countof(places));
}

#define T(name) { #name, name }
SUITE(multiboot2, T(everything_is_found_and_recorded), T(the_newer_rsdp_wins),
      T(nothing_but_memory), T(magic_and_address), T(tags_must_be_inside),
      T(the_command_line_must_end), T(modules), T(memory_maps), T(every_flip_is_safe));
