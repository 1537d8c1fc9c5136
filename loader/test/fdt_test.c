// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/fdt.h"
#include "test/fdt_reader.h"
#include "test/test.h"

static char text[4096];

// A tree with everything that the writer knows. Returns what fdt_finish() says.
static size_t write_all(uint8_t *at, size_t room)
{
	struct fdt_writer w;
	fdt_create(&w, at, room, (struct span){ 0 });
	fdt_add_reservemap_entry(&w, 0x9000, 0xd000);
	fdt_add_reservemap_entry(&w, (uint64_t)1 << 40, 1);
	fdt_begin_node(&w, "", 0);
	fdt_property_string(&w, FDT_COMPATIBLE, "a,bcd", 5);
	fdt_property_u32(&w, FDT_ADDRESS_CELLS, 2);
	fdt_property_u32(&w, FDT_SIZE_CELLS, 0x01020304);
	fdt_begin_node(&w, "memory@100", 10);
	fdt_property_string(&w, FDT_DEVICE_TYPE, "memory", 6);
	fdt_property_reg(&w, FDT_REG, 0x123456789a, 2, 0xfedcba987654321, 2);
	fdt_end_node(&w);
	fdt_begin_node(&w, "chosen", 6);
	fdt_property_string(&w, FDT_BOOTARGS, "abc", 3);
	fdt_property_string(&w, FDT_BOOTARGS, "", 0);
	fdt_end_node(&w);
	fdt_end_node(&w);
	return fdt_finish(&w);
}

static const char whole[] = "reserve 9000 d000\n"
			    "reserve 10000000000 1\n"
			    "/ compatible = 612c6263 6400\n"
			    "/ #address-cells = 00000002\n"
			    "/ #size-cells = 01020304\n"
			    "/memory@100\n"
			    "/memory@100 device_type = 6d656d6f 727900\n"
			    "/memory@100 reg = 00000012 3456789a 0fedcba9 87654321\n"
			    "/chosen\n"
			    "/chosen bootargs = 61626300\n"
			    "/chosen bootargs = 00\n";

static void what_is_written_can_be_read(void)
{
	uint8_t *fdt = malloc(1024);
	memset(fdt, 0xee, 1024); // padding has to be written
	size_t n = write_all(fdt, 1024);
	CHECK(n != 0 && n <= 1024);
	CHECK(fdt_text(fdt, n, text, sizeof text));
	CHECK_STR(text, whole);
	free(fdt);
}

// In every smaller room it fails, and writes nothing after it.
static void too_little_room_is_noticed(void)
{
	uint8_t *fdt = malloc(1024);
	size_t n = write_all(fdt, 1024);
	free(fdt);
	for (size_t room = 40; room < n; room++) {
		fdt = malloc(room);
		test_case("%zu of %zu bytes", room, n);
		CHECK_EQ(write_all(fdt, room), 0);
		free(fdt);
	}
	fdt = malloc(n);
	CHECK_EQ(write_all(fdt, n), n);
	CHECK(fdt_text(fdt, n, text, sizeof text));
	free(fdt);
}

static void the_bounds_are_enough(void)
{
	char line[300];
	memset(line, 'x', sizeof line);
	for (size_t length = 0; length < sizeof line; length++) {
		size_t room = FDT_BASE_SIZE + FDT_RESERVE_SIZE + FDT_NODE_SIZE(length) +
			      FDT_PROP_SIZE(length + 1);
		uint8_t *fdt = malloc(room);
		struct fdt_writer w;
		fdt_create(&w, fdt, room, (struct span){ 0 });
		fdt_add_reservemap_entry(&w, 1, 2);
		fdt_begin_node(&w, "", 0);
		fdt_property_string(&w, FDT_COMPATIBLE, "hermit,multiboot", 16);
		fdt_property_u32(&w, FDT_ADDRESS_CELLS, 2);
		fdt_property_u32(&w, FDT_SIZE_CELLS, 2);
		fdt_begin_node(&w, line, length);
		fdt_property_string(&w, FDT_BOOTARGS, line, length);
		fdt_end_node(&w);
		fdt_end_node(&w);
		test_case("%zu bytes", length);
		CHECK(fdt_finish(&w) != 0);
		free(fdt);
	}
}

#define T(name) { #name, name }
// Devicetree Specification 0.4, 5.4.2: a tree has one root.
static void a_second_root_is_refused(void)
{
	struct fdt out;
	for (unsigned roots = 0; roots <= 2; roots++) {
		uint8_t *blob = malloc(1024);
		struct fdt_writer w;
		test_case("%u roots", roots);
		fdt_create(&w, blob, 1024, (struct span){ 0 });
		for (unsigned i = 0; i < roots; i++) {
			fdt_begin_node(&w, "", 0);
			fdt_end_node(&w);
		}
		if (roots == 0)
			fdt_add_reservemap_entry(&w, 0x1000, 0x1000);
		const size_t n = fdt_finish(&w);
		CHECK_EQ(fdt_check(blob, n, &out), roots == 1 ? STATUS_OK : STATUS_FDT_MALFORMED);
		free(blob);
	}
}

SUITE(fdt, T(what_is_written_can_be_read), T(too_little_room_is_noticed), T(the_bounds_are_enough),
      T(a_second_root_is_refused));
