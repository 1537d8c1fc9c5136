// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/x86/protocol.h"

#include <string.h>

#include "test/protocol_fake.h"
#include "test/test.h"

enum { PARAMS = 0x7003, LINE = 0x20001, APP = 0x30005 };

static void add(uint64_t address, uint64_t bytes, uint32_t type)
{
	unsigned at = 0x2d0 + 20U * fake_memory()[PARAMS + 0x1e8]++;
	put64(PARAMS + at, address);
	put64(PARAMS + at + 8, bytes);
	put32(PARAMS + at + 16, type);
}

static void start(void)
{
	protocol_clear();
	put16(PARAMS + 0x1fe, 0xaa55);
	put32(PARAMS + 0x202, 0x53726448);
	add(0, 0x9fc00, 1);
}

static enum status run_at(uint64_t params)
{
	protocol_begin();
	return protocol_end(linux64_read(params, fake_map, &protocol_boot));
}

static enum status run(void)
{
	return run_at(PARAMS);
}

// No pointer of this test is aligned.
static void everything_is_found_and_recorded(void)
{
	start();
	put32(PARAMS + 0x228, LINE);
	put32(PARAMS + 0x238, 8);
	memcpy(fake_memory() + LINE, "abc def", 8);
	put32(PARAMS + 0x218, APP);
	put32(PARAMS + 0x21c, 0x123);
	add(0x9fc00, 0x400, 2);
	add(0x100000, 0x3f00000, 1);
	CHECK_EQ(run(), STATUS_OK);
	check_parsed(PARAMS, "abc def", 1, APP, 0x123);
	CHECK(protocol_boot.boot_params.p == fake_memory() + PARAMS &&
	      protocol_boot.boot_params.n == 4096);
	check_usable("0-9fc00 100000-4000000 ");
	CHECK_EQ(protocol_boot.start_info_count, 2);
	CHECK(protocol_boot.start_info[0].start == PARAMS &&
	      protocol_boot.start_info[0].end == PARAMS + 4096);
	CHECK(protocol_boot.start_info[1].start == LINE &&
	      protocol_boot.start_info[1].end == LINE + 7);
}

static void nothing_but_memory(void)
{
	start();
	put32(PARAMS + 0x218, APP); // and no size
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.cmdline.n + protocol_boot.app.n + protocol_boot.module_count +
			 protocol_boot.rsdp.n,
		 0);
}

static void what_marks_a_zero_page(void)
{
	start();
	CHECK_REFUSED(run_at(0), START_STATE,
		      "87 start-state: RSI was 0x0 at entry, not the address of a zero page");
	CHECK_REFUSED(
		run_at(FAKE_REACH - 4095), START_STATE,
		"87 start-state: RSI was 0xfffff001 at entry, not the address of a zero page");
	CHECK_REFUSED(run_at(UINT64_MAX), START_STATE,
		      "87 start-state: RSI was 0xffffffffffffffff at entry, not the address of a "
		      "zero page");
	put16(PARAMS + 0x1fe, 0xaa54);
	CHECK_REFUSED(run(), START_STATE,
		      "87 start-state: no zero page at RSI (0x7003): boot_flag 0xaa54, header "
		      "0x53726448, expected 0xaa55, 0x53726448");
	put16(PARAMS + 0x1fe, 0xaa55);
	put32(PARAMS + 0x202, 0x53726449);
	CHECK_REFUSED(run(), START_STATE,
		      "87 start-state: no zero page at RSI (0x7003): boot_flag 0xaa55, header "
		      "0x53726449, expected 0xaa55, 0x53726448");
}

static void high_halves_count(void)
{
	start();
	put32(PARAMS + 0x21c, 0x123);
	put32(PARAMS + 0x218, APP);
	put32(PARAMS + 0x0c0, 1);
	CHECK_REFUSED(
		run(), START_STATE,
		"87 start-state: the application at 0x100030005 with 0x123 bytes is out of reach");
	put32(PARAMS + 0x0c0, 0);
	put32(PARAMS + 0x0c4, 2);
	CHECK_REFUSED(run(), START_STATE,
		      "87 start-state: the application at 0x30005 with 0x200000123 bytes is out of "
		      "reach");
	put32(PARAMS + 0x0c4, 0);
	put32(PARAMS + 0x228, LINE);
	put32(PARAMS + 0x0c8, 3);
	CHECK_REFUSED(run(), START_STATE,
		      "87 start-state: the command line at 0x300020001 is out of reach");
}

static void the_size_of_the_command_line_is_an_upper_bound(void)
{
	static const struct {
		uint32_t size;
		size_t want;
	} cases[] = { { 0, 7 }, { 3, 3 },    { 7, 7 },           { 8, 7 },
		      { 9, 7 }, { 2048, 7 }, { CMDLINE_MAX, 7 }, { UINT32_MAX, 7 } };
	start();
	put32(PARAMS + 0x228, LINE);
	memcpy(fake_memory() + LINE, "abc def", 8);
	for (size_t i = 0; i < countof(cases); i++) {
		test_case("size %u", cases[i].size);
		put32(PARAMS + 0x238, cases[i].size);
		CHECK_EQ(run(), STATUS_OK);
		CHECK_EQ(protocol_boot.cmdline.n, cases[i].want);
		CHECK_EQ(protocol_boot.start_info[1].end, LINE + cases[i].want);
	}
	memset(fake_memory() + LINE, 'x', CMDLINE_MAX + 1);
	put32(PARAMS + 0x238, CMDLINE_MAX);
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.cmdline.n, CMDLINE_MAX);
	put32(PARAMS + 0x238, CMDLINE_MAX + 1);
	CHECK_REFUSED(
		run(), CMDLINE_TOO_LONG,
		"93 cmdline-too-long: the command line at 0x20001 has no end within 0x10001 bytes");
}

static void only_type_1_is_ram(void)
{
	start();
	for (uint32_t type = 2; type < 20; type++)
		add(MIB(2) * type, MIB(1), type);
	add(GIB(5), GIB(1), 1);
	CHECK_EQ(run(), STATUS_OK);
	check_usable("0-9fc00 140000000-180000000 ");
}

static void memory_is_missing(void)
{
	start();
	fake_memory()[PARAMS + 0x1e8] = 0;
	CHECK_REFUSED(run(), MEMORY_MAP_MISSING,
		      "89 memory-map-missing: the zero page has no memory map (e820_entries is 0)");
	fake_memory()[PARAMS + 0x1e8] = 129;
	CHECK_REFUSED(
		run(), MEMORY_MAP_TOO_LONG,
		"89 memory-map-too-long: the zero page has 129 memory ranges, the maximum is 128");
	start();
	put32(PARAMS + 0x2d0 + 16, 2);
	CHECK_REFUSED(run(), MEMORY_MAP_EMPTY,
		      "89 memory-map-empty: the memory map has no usable RAM");
}

static void a_full_map_is_read_to_its_end(void)
{
	start();
	for (uint64_t i = 1; i < 128; i++)
		add(MIB(2) * i, MIB(1), 1);
	CHECK_EQ(run(), STATUS_OK);
	CHECK_EQ(protocol_boot.usable.count, 128);
	CHECK_EQ(protocol_boot.usable.ranges[127].start, MIB(254));
}

static void start_complete(void)
{
	start();
	put32(PARAMS + 0x228, LINE);
	put32(PARAMS + 0x238, 100);
	put32(PARAMS + 0x218, APP);
	put32(PARAMS + 0x21c, 0x123);
	add(0x100000, 0x100000, 1);
}

static void every_flip_is_safe(void)
{
	static const struct range places[] = { { PARAMS, PARAMS + 0x2d0 + 40 } };
	check_flips(start_complete, run, places, countof(places));
}

#define T(name) { #name, name }
SUITE(linux64, T(everything_is_found_and_recorded), T(nothing_but_memory),
      T(what_marks_a_zero_page), T(high_halves_count),
      T(the_size_of_the_command_line_is_an_upper_bound), T(only_type_1_is_ram),
      T(memory_is_missing), T(a_full_map_is_read_to_its_end), T(every_flip_is_safe));
