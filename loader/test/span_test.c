// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/span.h"
#include "test/test.h"

static void sub_takes_what_is_inside(void)
{
	uint8_t *bytes = exact_copy("abcdefgh", 8);
	const struct span s = { bytes, 8 };
	struct span out;
	CHECK(span_sub(s, 0, 8, &out) && out.p == bytes && out.n == 8);
	CHECK(span_sub(s, 3, 5, &out) && out.p == bytes + 3 && out.n == 5);
	CHECK(span_sub(s, 8, 0, &out) && out.n == 0);
	CHECK(span_sub(s, 0, 0, &out) && out.n == 0);
	free(bytes);
}

static void sub_refuses_the_rest_and_leaves_the_result(void)
{
	static const uint64_t bad[][2] = {
		{ 0, 9 },
		{ 1, 8 },
		{ 8, 1 },
		{ 9, 0 },
		{ UINT64_MAX, 1 },
		{ 1, UINT64_MAX },
		{ UINT64_MAX, UINT64_MAX },
		{ 8, UINT64_MAX - 7 },
	};
	const uint8_t bytes[8] = { 0 };
	for (size_t i = 0; i < countof(bad); i++) {
		struct span out = { bytes + 1, 2 };
		test_case("offset %lx, length %lx", bad[i][0], bad[i][1]);
		CHECK(!span_sub((struct span){ bytes, 8 }, bad[i][0], bad[i][1], &out));
		CHECK(out.p == bytes + 1 && out.n == 2);
	}
}

static void loads_name_their_byte_order(void)
{
	const uint8_t raw[9] = { 0xff, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88 };
	const uint8_t *p = raw + 1; // unaligned
	CHECK_EQ(load_u16(p, ORDER_LITTLE), 0x0201);
	CHECK_EQ(load_u16(p, ORDER_BIG), 0x0102);
	CHECK_EQ(load_u32(p, ORDER_LITTLE), 0x04030201);
	CHECK_EQ(load_u32(p, ORDER_BIG), 0x01020304);
	CHECK_EQ(load_u64(p, ORDER_LITTLE), 0x8807060504030201);
	CHECK_EQ(load_u64(p, ORDER_BIG), 0x0102030405060788);
}

static void stores_name_their_byte_order(void)
{
	uint8_t raw[11];
	memset(raw, 0xee, sizeof raw);
	store_u16(raw + 1, 0x0102, ORDER_BIG);
	CHECK_BYTES(raw, "\xee\x01\x02\xee", 4);
	store_u16(raw + 1, 0x0102, ORDER_LITTLE);
	CHECK_BYTES(raw, "\xee\x02\x01\xee", 4);
	store_u32(raw + 1, 0x01020304, ORDER_BIG);
	CHECK_BYTES(raw, "\xee\x01\x02\x03\x04\xee", 6);
	store_u32(raw + 1, 0x01020304, ORDER_LITTLE);
	CHECK_BYTES(raw, "\xee\x04\x03\x02\x01\xee", 6);
	store_u64(raw + 1, 0x0102030405060708, ORDER_BIG);
	CHECK_BYTES(raw, "\xee\x01\x02\x03\x04\x05\x06\x07\x08\xee", 10);
	store_u64(raw + 1, 0x0102030405060708, ORDER_LITTLE);
	CHECK_BYTES(raw, "\xee\x08\x07\x06\x05\x04\x03\x02\x01\xee", 10);
}

static void sums_and_alignments(void)
{
	uint64_t sum;
	CHECK_EQ(align_up(0x1001, 0x1000), 0x2000);
	CHECK_EQ(align_up(0x1000, 0x1000), 0x1000);
	CHECK_EQ(align_down(0x1fff, 0x1000), 0x1000);
	CHECK(is_power_of_two(1) && is_power_of_two((uint64_t)1 << 63));
	CHECK(!is_power_of_two(0) && !is_power_of_two(3) && !is_power_of_two(UINT64_MAX));
	CHECK(!add_overflows(UINT64_MAX - 1, 1, &sum) && sum == UINT64_MAX);
	CHECK(add_overflows(UINT64_MAX, 1, &sum));
}

SUITE(span, { "sub_takes_what_is_inside", sub_takes_what_is_inside },
      { "sub_refuses_the_rest_and_leaves_the_result", sub_refuses_the_rest_and_leaves_the_result },
      { "loads_name_their_byte_order", loads_name_their_byte_order },
      { "stores_name_their_byte_order", stores_name_their_byte_order },
      { "sums_and_alignments", sums_and_alignments });
