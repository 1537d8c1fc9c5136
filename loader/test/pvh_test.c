// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/x86/protocol.h"

#include <string.h>

#include "test/protocol_fake.h"
#include "test/test.h"

enum {
	MAGIC = 0x336ec578,
	INFO = 0x9000,
	MAP = 0xa000,
	LIST = 0xb000,
	RSDP = 0xc000,
	LINE = 0x20000,
	APP = 0x30000
};

static uint32_t map_count;

static void add(uint64_t address, uint64_t bytes, uint32_t type)
{
	uint64_t at = MAP + 24 * (uint64_t)map_count++;
	put64(at, address);
	put64(at + 8, bytes);
	put32(at + 16, type);
	put32(at + 20, UINT32_MAX); // reserved
	put32(INFO + 48, map_count);
}

static void set_module(uint64_t address, uint64_t bytes, uint32_t count)
{
	put32(INFO + 12, count);
	put64(INFO + 16, LIST);
	put64(LIST, address);
	put64(LIST + 8, bytes);
}

static void start(void)
{
	protocol_clear();
	map_count = 0;
	put32(INFO, MAGIC);
	put32(INFO + 4, 1);
	put64(INFO + 40, MAP);
	add(0, 0x9fc00, 1);
}

static enum status run_at(uint32_t info)
{
	protocol_begin();
	return protocol_end(pvh_read(info, fake_map, &protocol_boot));
}

static enum status run(void)
{
	return run_at(INFO);
}

static void set_checksum(uint64_t at, unsigned byte, unsigned n)
{
	uint8_t *p = fake_memory() + at, sum = 0;
	p[byte] = 0;
	for (unsigned i = 0; i < n; i++)
		sum = (uint8_t)(sum + p[i]);
	p[byte] = (uint8_t)-sum;
}

static void set_rsdp(uint8_t revision)
{
	put64(INFO + 32, RSDP);
	memcpy(fake_memory() + RSDP, "RSD PTR \0BOCHS ", 15);
	fake_memory()[RSDP + 15] = revision;
	put32(RSDP + 16, 0x3ffe1000);
	put32(RSDP + 20, 36);
	set_checksum(RSDP, 8, 20);
	set_checksum(RSDP, 32, 36);
}

static void everything_is_found_and_recorded(void)
{
	start();
	put64(INFO + 24, LINE);
	memcpy(fake_memory() + LINE, "abc def", 8);
	set_module(APP, 0x123, 2);
	add(0x100000, 0x3f00000, 1);
	CHECK_EQ(run(), STATUS_OK);
	check_parsed(INFO, "abc def", 2, APP, 0x123);
	CHECK_EQ(protocol_boot.rsdp.n, 0);
	check_usable("0-9fc00 100000-4000000 ");
	CHECK_EQ(protocol_boot.start_info_count, 4);
	CHECK(is_start_info(INFO, INFO + 56) && is_start_info(LINE, LINE + 7) &&
	      is_start_info(LIST, LIST + 32) && is_start_info(MAP, MAP + 48));
}

static void nothing_but_memory(void)
{
	start();
	put64(INFO + 16, UINT64_MAX);
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.cmdline.n + protocol_boot.app.n + protocol_boot.module_count +
			 protocol_boot.rsdp.n,
		 0);
}

static void magic_and_address(void)
{
	start();
	CHECK_REFUSED(
		run_at(0), START_STATE,
		"87 start-state: EBX was 0x0 at entry, not the address of PVH start information");
	CHECK_REFUSED(run_at(UINT32_MAX), START_STATE,
		      "87 start-state: EBX was 0xffffffff at entry, not the address of PVH start "
		      "information");
	put32(INFO, 0x2badb002);
	CHECK_REFUSED(run(), START_STATE,
		      "87 start-state: the value at EBX (0x9000) is 0x2badb002, PVH start "
		      "information starts with 0x336ec578");
}

static void the_command_line_must_end(void)
{
	start();
	put64(INFO + 24, LINE);
	memset(fake_memory() + LINE, 'x', CMDLINE_MAX + 1);
	fake_memory()[LINE + CMDLINE_MAX] = '\0';
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.cmdline.n, CMDLINE_MAX);
	fake_memory()[LINE + CMDLINE_MAX] = 'x';
	CHECK_REFUSED(
		run(), CMDLINE_TOO_LONG,
		"93 cmdline-too-long: the command line at 0x20000 has no end within 0x10001 bytes");
	put64(INFO + 24, UINT64_MAX - 1);
	CHECK_REFUSED(run(), START_STATE,
		      "87 start-state: the command line at 0xfffffffffffffffe is out of reach");
}

static void modules_out_of_reach(void)
{
	start();
	set_module(APP, 0, 1);
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.app.n, 0);
	CHECK_EQ(protocol_boot.module_count, 1);
	set_module(FAKE_REACH - 0x100, 0x101, 1);
	CHECK_REFUSED(
		run(), START_STATE,
		"87 start-state: the application at 0xffffff00 with 0x101 bytes is out of reach");
	set_module(UINT64_MAX, 2, 1);
	CHECK_REFUSED(run(), START_STATE,
		      "87 start-state: the application at 0xffffffffffffffff with 0x2 bytes is out "
		      "of reach");
	set_module(0, 0x30, 1);
	CHECK_REFUSED(run(), START_STATE,
		      "87 start-state: the application at 0x0 with 0x30 bytes is out of reach");
	put64(INFO + 16, FAKE_REACH);
	CHECK_REFUSED(run(), START_STATE,
		      "87 start-state: the list of 1 modules at 0x100000000 is out of reach");
}

static void memory_is_missing(void)
{
	start();
	put32(INFO + 4, 0);
	CHECK_REFUSED(run(), MEMORY_MAP_MISSING,
		      "89 memory-map-missing: the start information has version 0, which has no "
		      "memory map");
	put32(INFO + 4, 1);
	put32(INFO + 48, 0);
	CHECK_REFUSED(run(), MEMORY_MAP_MISSING,
		      "89 memory-map-missing: the start information has no memory map");
	put32(INFO + 48, UINT32_MAX);
	CHECK_REFUSED(
		run(), START_STATE,
		"87 start-state: the memory map of 4294967295 entries at 0xa000 is out of reach");
	start();
	put32(MAP + 16, 2);
	CHECK_REFUSED(run(), MEMORY_MAP_EMPTY,
		      "89 memory-map-empty: the memory map has no usable RAM");
}

// Any other type of a range overrides usable, in any order of the entries.
static void what_is_reserved_wins(void)
{
	start();
	put32(MAP + 16, 2); // 0..0x9fc00
	add(0, 0x200000, 1);
	add(0x150000, 0x1000, 4);
	add(0x100000, 0x100000, 1);
	add(0x1ff000, 0x100000, 0);
	add(0x300000, 0, 1);
	add(UINT64_MAX - 0xfff, 0x1000, 1); // ends with all addresses: not used
	CHECK_EQ(run(), STATUS_OK);
	check_usable("9fc00-150000 151000-1ff000 ");
	add(UINT64_MAX - 0xfff, 0x1001, 2);
	CHECK_REFUSED(run(), MEMORY_MAP_MALFORMED,
		      "89 memory-map-malformed: entry 7 of the memory map begins at "
		      "0xfffffffffffff000 and ends beyond 2^64");
}

static void more_ranges_than_the_set_holds(void)
{
	start();
	for (uint64_t i = 1; i <= RANGE_SET_MAX; i++)
		add(MIB(2) * i, MIB(1), 1);
	CHECK_REFUSED(run(), MEMORY_MAP_TOO_LONG,
		      "89 memory-map-too-long: the memory map has more than 128 ranges");
}

static void the_root_pointer_is_copied(void)
{
	start();
	set_rsdp(0);
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.rsdp.n, 20);
	CHECK_BYTES(protocol_boot.rsdp.p, fake_memory() + RSDP, 20);
	set_rsdp(2);
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.rsdp.n, 36);
	CHECK_BYTES(protocol_boot.rsdp.p, fake_memory() + RSDP, 36);
}

static void a_root_pointer_that_is_none_is_left_out(void)
{
	static const uint64_t flips[] = { 0, 8, 16, 20, 32 };
	for (size_t i = 0; i < countof(flips); i++) {
		test_case("byte %lu", flips[i]);
		start();
		set_rsdp(2);
		fake_memory()[RSDP + flips[i]] ^= 1;
		CHECK_EQ(run(), STATUS_OK);
		CHECK_EQ(protocol_boot.rsdp.n, 0);
		CHECK_STR(console_text(), "[LOADER][WARN] no valid ACPI root pointer at 0xc000: "
					  "the application gets none\n");
	}
	put64(INFO + 32, UINT64_MAX);
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.rsdp.n, 0);
}

static void start_complete(void)
{
	start();
	put64(INFO + 24, LINE);
	set_module(APP, 0x123, 1);
	set_rsdp(2);
	add(0x100000, 0x100000, 1);
}

static void every_flip_is_safe(void)
{
	static const struct range places[] = { { INFO, INFO + 56 },
					       { MAP, MAP + 48 },
					       { LIST, LIST + 32 } };
	check_flips(start_complete, run, places, countof(places));
}

static void qemus_device_words_are_as_kernels_read_them(void)
{
	// A word that is not QEMU's, or that QEMU did not append, stays as it is.
	static const struct {
		const char *line, *kernel;
	} cases[] = {
		{ "", "" },
		{ "-freq 2000", "-freq 2000" },
		{ "virtio_mmio.device=512@0xfeb00e00:12", "virtio_mmio.device=4K@0xfeb00e00:12" },
		{ "-freq 2000 virtio_mmio.device=512@0xfeb00c00:11 "
		  "virtio_mmio.device=512@0xfeb00e00:12",
		  "-freq 2000 virtio_mmio.device=4K@0xfeb00c00:11 "
		  "virtio_mmio.device=4K@0xfeb00e00:12" },
		{ "-freq 2000 -- a  'b c' virtio_mmio.device=512@0xfeb00c00:11 "
		  "virtio_mmio.device=512@0xfeb00e00:12",
		  "-freq 2000 virtio_mmio.device=4K@0xfeb00c00:11 "
		  "virtio_mmio.device=4K@0xfeb00e00:12 -- a  'b c'" },
		{ "-- virtio_mmio.device=512@0x1:2", "virtio_mmio.device=4K@0x1:2 --" },
		{ "-- virtio_mmio.device=512@0x1:2 a", "-- virtio_mmio.device=512@0x1:2 a" },
		{ "virtio_mmio.device=4K@0xfeb00e00:12 virtio_mmio.device=1K@0x1:2",
		  "virtio_mmio.device=4K@0xfeb00e00:12 virtio_mmio.device=1K@0x1:2" },
		{ "virtio_mmio.device=512@0x1:2 a --b", "virtio_mmio.device=4K@0x1:2 a --b" },
		// `--` and device words in quotes are not QEMU's.
		{ "'env=A=x -- y' -- a virtio_mmio.device=512@0x1:2",
		  "'env=A=x -- y' virtio_mmio.device=4K@0x1:2 -- a" },
		{ "env='A=x -- y' virtio_mmio.device=512@0x1:2",
		  "env='A=x -- y' virtio_mmio.device=4K@0x1:2" },
		{ "'a virtio_mmio.device=512@0x1:2 b' virtio_mmio.device=512@0x1:2",
		  "'a virtio_mmio.device=512@0x1:2 b' virtio_mmio.device=4K@0x1:2" },
		{ "-- 'a virtio_mmio.device=512@0x1:2'", "-- 'a virtio_mmio.device=512@0x1:2'" },
		{ "-- it's virtio_mmio.device=512@0x1:2", "virtio_mmio.device=4K@0x1:2 -- it's" },
		{ "avirtio_mmio.device=512@0x1:2 virtio_mmio.device=512",
		  "avirtio_mmio.device=512@0x1:2 virtio_mmio.device=512" },
	};
	for (size_t i = 0; i < countof(cases); i++) {
		char line[128];
		size_t n = strlen(cases[i].line);
		test_case("%s", cases[i].line);
		memcpy(line, cases[i].line, n);
		line[pvh_edit_cmdline((uint8_t *)line, n)] = '\0';
		CHECK_STR(line, cases[i].kernel);
	}
}

#define T(name) { #name, name }
SUITE(pvh, T(everything_is_found_and_recorded), T(nothing_but_memory), T(magic_and_address),
      T(the_command_line_must_end), T(modules_out_of_reach), T(memory_is_missing),
      T(what_is_reserved_wins), T(more_ranges_than_the_set_holds), T(the_root_pointer_is_copied),
      T(a_root_pointer_that_is_none_is_left_out), T(qemus_device_words_are_as_kernels_read_them),
      T(every_flip_is_safe));
