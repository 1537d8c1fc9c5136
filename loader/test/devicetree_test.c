// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A firmware's device tree: what is read of it, and the copy that is handed over.
#include "core/devicetree.h"

#include <string.h>

#include "test/fake.h"
#include "test/fdt_reader.h"
#include "test/test.h"
#include "test/devicetree_builder.h"

static struct devicetree tree;
static uint8_t *blob;
static size_t size;

static void build_devices(void)
{
	tree_node("psci");
	tree_text("method", "hvc");
	tree_bytes("compatible", "arm,psci-1.0\0arm,psci-0.2\0", 26);
	tree_end_node();
	tree_node("pl011@8000000");
	tree_text("compatible", "arm,pl011");
	tree_cells("reg", 4, 0, 0x08000000, 0, 0x1000);
	tree_end_node();
	tree_node("pl011@9000000");
	tree_bytes("compatible", "arm,pl011\0arm,primecell\0", 24);
	tree_cells("reg", 4, 0, 0x09000000, 0, 0x1000);
	tree_end_node();
}

static void build_memory(void)
{
	tree_node("secram@e000000");
	tree_text("device_type", "memory");
	tree_cells("reg", 4, 0, 0x0e000000, 0, 0x1000000);
	tree_text("status", "disabled");
	tree_end_node();
	tree_node("memory@40000000");
	tree_text("device_type", "memory");
	tree_cells("reg", 8, 0, 0x40000000, 0, 0x10000000, 8, 0, 1, 0);
	tree_end_node();
	tree_node("reserved-memory");
	tree_cells("#address-cells", 1, 2);
	tree_cells("#size-cells", 1, 2);
	tree_node("firmware@48000000");
	tree_cells("reg", 4, 0, 0x48000000, 0, 0x200000);
	tree_end_node();
	tree_end_node();
}

static void build_cpu(const char *name, uint32_t number, const char *mmu, const char *status)
{
	tree_node(name);
	tree_text("device_type", "cpu");
	tree_cells("reg", 1, number);
	if (mmu != NULL)
		tree_text("mmu-type", mmu);
	if (status != NULL)
		tree_text("status", status);
	tree_end_node();
}

static void build_cpus_and_chosen(void)
{
	tree_node("cpus");
	tree_cells("#address-cells", 1, 1);
	tree_cells("#size-cells", 1, 0);
	build_cpu("cpu@0", 0, NULL, NULL);
	build_cpu("cpu@1", 1, "riscv,sv48", "disabled");
	build_cpu("cpu@3f", 63, "riscv,sv48", "okay");
	build_cpu("cpu@2", 2, "riscv,none", NULL);
	build_cpu("cpu@40", 64, "riscv,sv48", NULL);
	tree_end_node();
	tree_node("chosen");
	tree_text("stdout-path", "/pl011@9000000");
	tree_text("bootargs", "loader.log=info -- a");
	tree_cells("linux,initrd-start", 1, 0x4a000000);
	tree_cells("linux,initrd-end", 1, 0x4a001000);
	tree_node("module@48000000");
	tree_bytes("compatible", "multiboot,module\0multiboot,ramdisk\0", 35);
	tree_cells("reg", 4, 0, 0x4c000000, 0, 0x1388);
	tree_end_node();
	tree_end_node();
}

// A machine like QEMU's virt, with one instance of everything that the loader reads.
static void build(size_t tail)
{
	tree_begin();
	tree_reserve(0x40000000, 0x1000);
	tree_node("");
	tree_cells("#address-cells", 1, 2);
	tree_cells("#size-cells", 1, 2);
	build_devices();
	build_memory();
	build_cpus_and_chosen();
	tree_end_node();
	blob = tree_done(tail, &size);
}

static enum status read(void)
{
	console_open();
	return devicetree_read(blob, 0x40000000, size, &tree);
}

static void application_search_order(void)
{
	build(0x1000);
	CHECK_EQ(read(), STATUS_OK);
	CHECK_EQ(tree.ram.count, 2);
	CHECK_EQ(tree.ram.ranges[0].start, 0x40000000);
	CHECK_EQ(tree.ram.ranges[0].end, 0x50000000);
	CHECK_EQ(tree.ram.ranges[1].start, 0x800000000);
	CHECK_EQ(tree.ram.ranges[1].end, 0x900000000);
	CHECK_EQ(tree.reserved.count, 2);
	CHECK_EQ(tree.reserved.ranges[1].start, 0x48000000);
	CHECK(tree.has_module);
	// although linux,initrd-start came first
	CHECK_EQ(tree.module.start, 0x4c000000);
	CHECK_EQ(tree.module.end, 0x4c001388);
	CHECK_EQ(tree.bootargs.n, strlen("loader.log=info -- a"));
	CHECK_EQ(tree.uart, UART_PL011);
	CHECK_EQ(tree.uart_at, 0x09000000);
	CHECK(tree.psci && !tree.psci_smc);
	CHECK_EQ(tree.cpus, 5);
	CHECK_EQ(tree.harts, 1ULL << 63);
	// the bytes that hold something
	CHECK_EQ(tree.at.end, 0x40000000 + size - 0x1000);
	free(blob);
}

static void free_memory_excludes_reserved_ranges(void)
{
	struct range_set usable;
	build(0);
	CHECK_EQ(read(), STATUS_OK);
	CHECK_EQ(devicetree_usable_ram(&tree, &usable), STATUS_OK);
	CHECK_EQ(usable.count, 3);
	CHECK_EQ(usable.ranges[0].start, 0x40001000);
	CHECK_EQ(usable.ranges[0].end, 0x48000000);
	CHECK_EQ(usable.ranges[1].start, 0x48200000);
	free(blob);
}

static void the_copy(void)
{
	static char text[16384];
	build(0);
	CHECK_EQ(read(), STATUS_OK);
	const struct devicetree_fixups changes = { .ram = &tree.ram,
						   .reserved = &tree.reserved,
						   .block = { 0x40100000, 0x40110000 },
						   .bootargs = "-- a",
						   .bootargs_size = 4 };
	size_t bound = devicetree_fixup_bound(&tree, tree.ram.count, tree.reserved.count, 4);
	uint8_t *copy = malloc(bound);
	size_t n = devicetree_fixup(&tree, &changes, copy, bound);
	CHECK(n != 0 && fdt_text(copy, n, text, sizeof text));
	CHECK(strstr(text, "reserve 40100000 10000\n") != NULL);
	CHECK(strstr(text, "reserve 48000000 200000\n") != NULL);
	CHECK(strstr(text, "/memory@40000000 reg = 00000000 40000000 00000000 10000000\n") != NULL);
	CHECK(strstr(text, "/memory@800000000 reg = 00000008 00000000 00000001 00000000\n") !=
	      NULL);
	CHECK(strstr(text, "/cpus/cpu@0 status = 6f6b6179 00\n") != NULL);
	CHECK(strstr(text, "/chosen bootargs = 2d2d2061 00\n") != NULL);
	CHECK(strstr(text, "initrd") == NULL && strstr(text, "module@") == NULL);
	CHECK(strstr(text, "/pl011@9000000 reg = 00000000 09000000 00000000 00001000\n") != NULL);
	for (size_t room = 40; room < n; room += 7)
		CHECK_EQ(devicetree_fixup(&tree, &changes, copy, room), 0);
	free(copy);
	free(blob);
}

// Kernels recognise cpu nodes by their name. The bound has room for the `status` of each, although
// device_type is missing, and for one command line, whatever the number of /chosen nodes.
static void the_bound_of_an_odd_tree(void)
{
	static const struct range_set none;
	static char text[16384], line[4096];
	memset(line, 'b', sizeof line - 1);
	tree_begin();
	tree_node("");
	for (unsigned i = 0; i < 3; i++) {
		tree_node(i == 0 ? "chosen" : "chosen@0");
		tree_text("bootargs", "a");
		tree_end_node();
	}
	tree_node("cpus");
	for (unsigned i = 0; i < 64; i++) {
		tree_node("cpu");
		tree_end_node();
	}
	tree_end_node();
	tree_end_node();
	blob = tree_done(0, &size);
	CHECK_EQ(read(), STATUS_OK);
	CHECK_EQ(tree.cpus, 64);
	const struct devicetree_fixups fixups = { &none, &none, { 0 }, line, sizeof line - 1 };
	size_t bound = devicetree_fixup_bound(&tree, 0, 0, sizeof line - 1);
	uint8_t *copy = malloc(bound);
	size_t n = devicetree_fixup(&tree, &fixups, copy, bound);
	CHECK(n != 0 && fdt_text(copy, n, text, sizeof text));
	CHECK(strstr(text, "/chosen bootargs = 6262") != NULL);
	CHECK(strstr(text, "/chosen@0 bootargs") == NULL);
	free(copy);
	free(blob);
}

// The longest path is 192 bytes. A node whose path is longer never is the console, whatever name of
// the longest length stdout-path has.
static void the_longest_path(void)
{
	enum { LONGEST = 192 };
	char name[LONGEST + 1], path[LONGEST + 1];
	memset(name, 'n', sizeof name);
	memset(path, 'n', sizeof path);
	name[LONGEST - 1] = path[LONGEST] = '\0';
	path[0] = '/';
	for (unsigned longer = 0; longer < 2; longer++) {
		tree_begin();
		tree_node("");
		tree_node("chosen");
		tree_text("stdout-path", path);
		tree_end_node();
		tree_node("uart@1000");
		tree_text("compatible", "arm,pl011");
		tree_cells("reg", 3, 0, 0x1000, 0x1000);
		tree_end_node();
		tree_node(name);
		tree_text("compatible", longer != 0 ? "other" : "arm,pl011");
		tree_cells("reg", 3, 0, 0x2000, 0x1000);
		tree_end_node();
		name[LONGEST - 1] = 'n';
		name[LONGEST] = '\0';
		tree_node(name);
		tree_text("compatible", "arm,pl011");
		tree_cells("reg", 3, 0, 0x3000, 0x1000);
		tree_end_node();
		tree_end_node();
		blob = tree_done(0, &size);
		CHECK_EQ(read(), STATUS_OK);
		CHECK_EQ(tree.uart_at, longer != 0 ? 0x1000 : 0x2000);
		free(blob);
		name[LONGEST - 1] = '\0';
	}
}

// The path of an alias ends at its first NUL, whatever follows.
static void the_console_by_an_alias(void)
{
	static const char path[] = "/uart@2000\0x";
	tree_begin();
	tree_node("");
	tree_node("aliases");
	tree_bytes("serial0", path, sizeof path);
	tree_end_node();
	tree_node("chosen");
	tree_text("stdout-path", "serial0");
	tree_end_node();
	for (uint32_t at = 0x1000; at <= 0x2000; at += 0x1000) {
		tree_node(at == 0x1000 ? "uart@1000" : "uart@2000");
		tree_text("compatible", "arm,pl011");
		tree_cells("reg", 3, 0, at, 0x1000);
		tree_end_node();
	}
	tree_end_node();
	blob = tree_done(0, &size);
	CHECK_EQ(read(), STATUS_OK);
	CHECK_EQ(tree.uart_at, 0x2000);
	free(blob);
}

// The root's cells say how large the numbers of a memory node may be. What exceeds them is left
// out.
static void the_copy_of_large_memory(void)
{
	static const struct {
		uint32_t address_cells, size_cells;
		const char *memory;
	} rows[] = {
		{ 2, 2,
		  "/memory@40000000 reg = 00000000 40000000 00000001 80000000\n"
		  "/memory@800000000 reg = 00000008 00000000 00000000 00001000\n" },
		{ 2, 1,
		  "/memory@40000000 reg = 00000000 40000000 ffe00000\n"
		  "/memory@800000000 reg = 00000008 00000000 00001000\n" },
		{ 1, 1, "/memory@40000000 reg = 40000000 ffe00000\n" },
		{ 1, 2, "/memory@40000000 reg = 40000000 00000001 80000000\n" },
	};
	static const struct range_set ram = {
		.count = 2, .ranges = { { 0x40000000, 0x1c0000000 }, { 0x800000000, 0x800001000 } }
	};
	static const struct range_set none;
	static char text[4096];
	for (size_t i = 0; i < countof(rows); i++) {
		test_case("%u and %u cells", rows[i].address_cells, rows[i].size_cells);
		tree_begin();
		tree_node("");
		tree_cells("#address-cells", 1, rows[i].address_cells);
		tree_cells("#size-cells", 1, rows[i].size_cells);
		tree_end_node();
		blob = tree_done(0, &size);
		CHECK_EQ(read(), STATUS_OK);
		const struct devicetree_fixups fixups = { .ram = &ram, .reserved = &none };
		size_t bound = devicetree_fixup_bound(&tree, ram.count, 0, 0);
		uint8_t *copy = malloc(bound);
		size_t n = devicetree_fixup(&tree, &fixups, copy, bound);
		CHECK(n != 0 && fdt_text(copy, n, text, sizeof text));
		char memory[400] = "";
		for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
			if (strncmp(line, "/memory@", 8) == 0 && strstr(line, " reg = ") != NULL)
				strcat(strcat(memory, line), "\n");
		CHECK_STR(memory, rows[i].memory);
		free(copy);
		free(blob);
	}
}

// The driver is that of the first known name in `compatible`, compared in full.
static void the_console_by_its_compatible(void)
{
#define ROW(kind, names)                  \
	{                                 \
		kind, names, sizeof names \
	}
	static const struct {
		enum uart_kind kind;
		const char *names;
		size_t size;
	} rows[] = {
		ROW(UART_PL011, "arm,pl011"),
		ROW(UART_PL011, "arm,sbsa-uart\0arm,pl011\0arm,primecell"),
		ROW(UART_CADENCE, "cdns,uart-r1p12"),
		ROW(UART_CADENCE, "cdns,uart-r1p8"),
		ROW(UART_CADENCE, "xlnx,xuartps"),
		ROW(UART_CADENCE, "xlnx,zynqmp-uart\0cdns,uart-r1p12"),
		ROW(UART_NONE, "cdns,uart-r1p1"),
		ROW(UART_NONE, "cdns,uart-r1p123"),
		ROW(UART_NONE, "xlnx,xps-uartlite"),
		ROW(UART_NONE, "ns16550a"),
	};
#undef ROW
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		tree_begin();
		tree_node("");
		tree_node("chosen");
		tree_text("stdout-path", "/uart@1000");
		tree_end_node();
		tree_node("uart@1000");
		tree_bytes("compatible", rows[i].names, rows[i].size);
		tree_cells("reg", 3, 0, 0x1000, 0x1000);
		tree_end_node();
		tree_end_node();
		blob = tree_done(0, &size);
		CHECK_EQ(read(), STATUS_OK);
		CHECK_EQ(tree.uart, rows[i].kind);
		CHECK_EQ(tree.uart_at, rows[i].kind == UART_NONE ? 0 : 0x1000);
		free(blob);
	}
}

static void what_is_no_tree(void)
{
	build(0);
	console_open();
	CHECK_REFUSED_SO_FAR(
		devicetree_read(blob + 4, 0x40000004, size - 4, &tree), FDT_MALFORMED,
		"103 fdt-malformed: the address of the device tree is not a multiple of 8");
	blob[0] = 0;
	CHECK_REFUSED_SO_FAR(read(), FDT_MISSING,
			     "103 fdt-missing: no device tree: its first word is ");
	blob[0] = 0xd0;
	store_u32(blob + 4, (uint32_t)size + 1, ORDER_BIG);
	CHECK_REFUSED_SO_FAR(read(), FDT_MALFORMED, "103 fdt-malformed: the device tree has ");
	store_u32(blob + 4, (uint32_t)size, ORDER_BIG);
	// an unknown token
	store_u32(blob + load_u32(blob + 8, ORDER_BIG) + 8, 7, ORDER_BIG);
	CHECK_REFUSED_SO_FAR(read(), FDT_MALFORMED,
			     "103 fdt-malformed: the device tree has no valid token at offset 0x8");
	free(blob);
}

// Reads the tree that tree_begin() began: it is good, or it is refused with these words.
static void check_tree(bool good, const char *refusal)
{
	blob = tree_done(0, &size);
	if (good)
		CHECK_EQ(read(), STATUS_OK);
	else
		CHECK_REFUSED_SO_FAR(read(), FDT_CONTENT, refusal);
	free(blob);
}

static void a_ram_disk_that_ends_before_it_starts(void)
{
	tree_begin();
	tree_node("");
	tree_node("chosen");
	tree_cells("linux,initrd-start", 1, 0x2000);
	tree_cells("linux,initrd-end", 1, 0x1000);
	tree_end_node();
	tree_end_node();
	check_tree(false, "103 fdt-content: linux,initrd-start and linux,initrd-end ");
}

// Addresses have whole cells, one or two; three bytes are no address 0.
static void addresses_of_odd_sizes(void)
{
	static const uint8_t bytes[16] = { 0 };
	for (size_t n = 1; n <= sizeof bytes; n++) {
		test_case("%zu bytes", n);
		tree_begin();
		tree_node("");
		tree_node("chosen");
		tree_bytes("linux,initrd-start", bytes, n);
		tree_cells("linux,initrd-end", 1, 0x1000);
		tree_end_node();
		tree_end_node();
		check_tree(n == 4 || n == 8, "103 fdt-content: linux,initrd-start and ");
	}
}

static void a_root_with_other_numbers_of_cells(void)
{
	static const struct {
		uint32_t address_cells, size_cells;
		bool good;
	} rows[] = { { 1, 1, true },  { 2, 2, true },  { 0, 1, false },
		     { 3, 1, false }, { 2, 0, false }, { 2, 3, false } };
	for (size_t i = 0; i < countof(rows); i++) {
		test_case("%u and %u cells", rows[i].address_cells, rows[i].size_cells);
		tree_begin();
		tree_node("");
		tree_cells("#address-cells", 1, rows[i].address_cells);
		tree_cells("#size-cells", 1, rows[i].size_cells);
		tree_end_node();
		check_tree(rows[i].good, "103 fdt-content: the root of the device tree has ");
	}
}

// Whatever bytes are changed or missing: no read outside (AddressSanitizer), and every walk ends.
static void any_damage_is_survived(void)
{
	struct range_set usable;
	uint64_t state = 1;
	build(0);
	for (size_t n = 0; n < size; n++) {
		uint8_t *cut = exact_copy(blob, n);
		console_open();
		(void)!devicetree_read(cut, 0x40000000, n, &tree);
		free(cut);
	}
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t *damaged = exact_copy(blob, size);
		for (unsigned k = 0; k < 3; k++)
			damaged[next_random(&state) % size] = (uint8_t)next_random(&state);
		console_open();
		if (devicetree_read(damaged, 0x40000000, size, &tree) == STATUS_OK &&
		    devicetree_usable_ram(&tree, &usable) == STATUS_OK) {
			const struct devicetree_fixups changes = { .ram = &tree.ram,
								   .reserved = &tree.reserved,
								   .bootargs = "",
								   .bootargs_size = 0 };
			size_t bound = devicetree_fixup_bound(&tree, tree.ram.count,
							      tree.reserved.count, 0);
			uint8_t *copy = malloc(bound);
			CHECK(devicetree_fixup(&tree, &changes, copy, bound) != 0);
			free(copy);
		}
		free(damaged);
	}
	free(blob);
}

#define T(name) { #name, name }
SUITE(devicetree, T(application_search_order), T(free_memory_excludes_reserved_ranges), T(the_copy),
      T(the_bound_of_an_odd_tree), T(the_longest_path), T(the_console_by_an_alias),
      T(the_copy_of_large_memory), T(the_console_by_its_compatible), T(what_is_no_tree),
      T(a_ram_disk_that_ends_before_it_starts), T(addresses_of_odd_sizes),
      T(a_root_with_other_numbers_of_cells), T(any_damage_is_survived));
