// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/handover_block.h"

#include <string.h>

#include "core/span.h"
#include "test/fake.h"
#include "test/fdt_reader.h"
#include "test/test.h"

static struct boot boot;
static struct elf_image elf;
static const struct era *era;
static struct handover_block block;
static char text[65536 * 4];
static uint64_t window_base = 0x9000;

static void start(const char *cmdline, uint32_t ranges)
{
	const struct notes notes = { .has_entry_version = true, .entry_version = 4 };
	const struct elf_image image = { .target = &elf_target_x86_64 };
	CHECK_EQ(era_identify(&notes, &image, 0, &era), STATUS_OK);
	boot = (struct boot){
		.protocol = "multiboot",
		.compatible = "hermit,multiboot",
		.serial = 0x3f8,
		.elf_target = &elf_target_x86_64,
		.cmdline = { (const uint8_t *)cmdline, strlen(cmdline) },
	};
	for (uint32_t i = 0; i < ranges; i++)
		CHECK_EQ(range_set_add(&boot.usable,
				       (struct range){ GIB(4) * i, GIB(4) * i + MIB(1) }),
			 STATUS_OK);
	elf = (struct elf_image){ .vaddr = 0x1000,
				  .tls = { .vaddr = 0x1800, .filesz = 1, .memsz = 2, .align = 8 } };
}

// Lays out and writes into an allocation that ends where the trampoline ends.
static void run(void)
{
	const struct handover_block_inputs content = {
		.boot = &boot, .era = era, .elf = &elf, .image = { 0x201000, 0x300000 }
	};
	block = (struct handover_block){ 0 };
	handover_block_layout(&content, &block);
	uint64_t exact = block.trampoline + block.trampoline_capacity;
	block.window = (struct window){ aligned_alloc(4096, align_up(exact, 4096)), window_base,
					exact };
	memset(block.window.p, 0xee, exact);
	handover_block_write(&content, &block);
}

static void done(void)
{
	free(block.window.p);
}

static void parts_follow_each_other(void)
{
	start("path loader.log=info a -- b", 3);
	run();
	CHECK_EQ(block.stack, 0);
	CHECK_EQ(block.tables, 0x8000);
	CHECK_EQ(block.tables_size, 0x4000);
	CHECK_EQ(block.info, 0xc000);
	CHECK(block.multiboot >= block.info + era->info_size && block.multiboot % 4 == 0);
	CHECK(block.cmdline >= block.multiboot + multiboot_info_size(3));
	CHECK(block.fdt >= block.cmdline + boot.cmdline.n + 1 && block.fdt % 8 == 0);
	CHECK(block.trampoline >= block.fdt + block.fdt_size && block.trampoline % 16 == 0);
	CHECK_EQ(block.trampoline_capacity, FAKE_TRAMPOLINE_SIZE);
	CHECK_EQ(block.size, align_up(block.trampoline + block.trampoline_capacity, 4096));
	done();
}

static void only_its_parts_are_written(void)
{
	start("a", 1);
	run();
	for (uint64_t at = 0; at < block.info; at++)
		CHECK(block.window.p[at] == 0xee);
	for (uint64_t at = block.trampoline; at < block.trampoline + block.trampoline_capacity;
	     at++)
		CHECK(block.window.p[at] == 0xee);
	done();
}

static void the_command_line_without_loader_options(void)
{
	start("path loader.log=info a -- b loader.x=y", 1);
	run();
	CHECK_EQ(block.cmdline_size, strlen("path a -- b loader.x=y"));
	CHECK_STR((const char *)block.window.p + block.cmdline, "path a -- b loader.x=y");
	done();
}

static void the_device_tree(void)
{
	start("path loader.log=info a", 2);
	boot.usable.ranges[0] = (struct range){ 0, 0x9fc00 };
	boot.usable.ranges[1] = (struct range){ 0x100000, 0x123456789000 };
	run();
	CHECK(fdt_text(block.window.p + block.fdt, block.fdt_size, text, sizeof text));
	char want[1024];
	snprintf(want, sizeof want,
		 "reserve 9000 %lx\n"
		 "/ compatible = 6865726d 69742c6d 756c7469 626f6f74 00\n"
		 "/ #address-cells = 00000002\n"
		 "/ #size-cells = 00000002\n"
		 "/memory@0\n"
		 "/memory@0 device_type = 6d656d6f 727900\n"
		 "/memory@0 reg = 00000000 00000000 00000000 0009fc00\n"
		 "/memory@100000\n"
		 "/memory@100000 device_type = 6d656d6f 727900\n"
		 "/memory@100000 reg = 00000000 00100000 00001234 56689000\n"
		 "/chosen\n"
		 "/chosen bootargs = 70617468 206100\n",
		 block.size);
	CHECK_STR(text, want);
	done();
}

static void without_a_command_line_there_are_no_bootargs(void)
{
	start("loader.log=info", 1);
	run();
	CHECK(fdt_text(block.window.p + block.fdt, block.fdt_size, text, sizeof text));
	CHECK(strstr(text, "bootargs") == NULL && strstr(text, "/chosen\n") != NULL);
	CHECK_EQ(block.cmdline_size, 0);
	CHECK_STR((const char *)block.window.p + block.cmdline, "");
	done();
}

static uint64_t info(unsigned at)
{
	return load_u64(block.window.p + block.info + at, ORDER_LITTLE);
}

static void the_boot_info_points_to_the_rest(void)
{
	start("a", 1);
	run();
	CHECK_EQ(info(16), 0x3f8);
	CHECK_EQ(info(24), 0x9000 + block.fdt);
	CHECK_EQ(info(32), 0x201000);
	CHECK_EQ(info(40), 0x300000);
	CHECK_EQ(info(48), 0x201800); // moved with the image
	CHECK_EQ(info(56), 1);
	CHECK_EQ(info(64), 2);
	CHECK_EQ(info(72), 8);
	CHECK_EQ(info(88), 0x9000 + block.cmdline);
	CHECK_EQ(info(96), 1);
	CHECK_EQ(info(104), 0x9000 + block.multiboot);
	CHECK_EQ(load_u32(block.window.p + block.multiboot + 16, ORDER_LITTLE),
		 0x9000 + block.cmdline);
	CHECK_EQ(load_u32(block.window.p + block.multiboot + 48, ORDER_LITTLE),
		 0x9000 + block.multiboot + 96);
	done();
}

static void missing_tls_is_reported_as_zero(void)
{
	start("a", 1);
	elf.tls = (struct elf_tls){ .vaddr = 0x1800, .align = 8 };
	run();
	CHECK_EQ(info(48) | info(56) | info(64) | info(72), 0);
	done();
}

static void the_largest_block_holds(void)
{
	char *line = malloc(CMDLINE_MAX + 1);
	memset(line, 'x', CMDLINE_MAX);
	line[CMDLINE_MAX] = '\0';
	start(line, RANGE_SET_MAX);
	run();
	CHECK(block.size < MIB(2));
	CHECK(fdt_text(block.window.p + block.fdt, block.fdt_size, text, sizeof text));
	CHECK(block.fdt + block.fdt_size <= block.trampoline);
	done();
	free(line);
}

static void every_length_and_count_fits(void)
{
	char line[64] = "";
	for (size_t length = 0; length < sizeof line - 1; length++) {
		for (uint32_t ranges = 1; ranges < 10; ranges++) {
			start(line, ranges);
			run();
			CHECK(fdt_text(block.window.p + block.fdt, block.fdt_size, text,
				       sizeof text));
			done();
		}
		line[length] = 'y';
		line[length + 1] = '\0';
	}
}

static struct range preferred_ram(void)
{
	return handover_preferred_ram(
		&(struct handover_block_inputs){ .boot = &boot, .era = era, .elf = &elf });
}

static void the_largest_piece_of_ram(void)
{
	static const struct devicetree tree;
	start("", 3);
	CHECK_EQ(preferred_ram().end, 0); // the created tree describes all of it
	boot.devicetree = &tree;
	CHECK_EQ(preferred_ram().end, MIB(1));
	CHECK_EQ(range_set_add(&boot.usable, (struct range){ GIB(8) + MIB(1), GIB(8) + MIB(2) }),
		 STATUS_OK);
	CHECK_EQ(preferred_ram().start, GIB(8));
	CHECK_EQ(range_set_add(&boot.ram, (struct range){ GIB(1), GIB(2) }), STATUS_OK);
	CHECK_EQ(preferred_ram().start, GIB(1));
}

static uint64_t info_u64(uint64_t at)
{
	return load_u64(block.window.p + block.info + at, ORDER_LITTLE);
}

static void the_multiboot_information_fits_below_its_alias(void)
{
	CHECK(multiboot_info_size(RANGE_SET_MAX + 1) <= ALIAS_CMDLINE - ALIAS_MULTIBOOT);
}

// What a kernel of era e3 reads as its command line, if its payload begins at `at`: the address is
// that of a mapping, or of the block.
static void check_e3(uint64_t at, bool alias, const char *want)
{
	const uint64_t base = alias ? ALIAS_MULTIBOOT : block.window.base + block.multiboot;
	const uint8_t *p = block.window.p + block.multiboot;
	const uint64_t line = info_u64(at), size = info_u64(at + 8);
	const uint64_t room = alias ? ALIAS_END - ALIAS_MULTIBOOT : block.size - block.multiboot;
	CHECK_EQ(info_u64(at + 16), base);
	CHECK(line >= base && line + size <= base + room && size >= strlen(want));
	CHECK(memcmp(p + (line - base), want, strlen(want)) == 0);
	for (uint64_t i = strlen(want); i < size; i++)
		CHECK(p[line - base + i] == ' ');
}

static void both_payloads_of_e3(void)
{
	static char longest[ALIAS_MULTIBOOT];
	memset(longest, 'x', sizeof longest - 1);
	start("path a -- b", 3);
	era = &era_e3;
	run();
	CHECK(block.alias && block.multiboot % PAGE_SIZE == 0);
	check_e3(88, true, "path a -- b");
	check_e3(96, true, "path a -- b");
	done();

	start(longest, 3);
	era = &era_e3;
	run();
	CHECK(block.alias);
	check_e3(88, true, longest);
	check_e3(96, true, longest);
	done();
}

// The payload of every release is right in any case.
static void the_usual_payload_of_e3(void)
{
	static char longer[ALIAS_MULTIBOOT + 1];
	memset(longer, 'x', sizeof longer - 1);
	start(longer, 3);
	era = &era_e3;
	run();
	CHECK(!block.alias);
	check_e3(88, false, longer);
	done();

	start("path a -- b", 3);
	era = &era_e3;
	window_base = MIB(2) - 0x1000;
	run();
	window_base = 0x9000;
	CHECK(!block.alias);
	check_e3(88, false, "path a -- b");
	done();
}

static void check_map(unsigned i, uint64_t from, uint64_t to)
{
	const uint8_t *entry = block.window.p + block.multiboot + 96 + 24 * i;
	CHECK_EQ(load_u64(entry + 4, ORDER_LITTLE), from);
	CHECK_EQ(load_u64(entry + 12, ORDER_LITTLE), to - from);
}

// The image is at 2 MiB. Two entries: what is below, and the most RAM in one piece.
static void one_region_for_kernels_that_sum_up_ends(void)
{
	start("", 0);
	CHECK_EQ(range_set_add(&boot.usable, (struct range){ 0x1000, MIB(8) }), STATUS_OK);
	CHECK_EQ(range_set_add(&boot.usable, (struct range){ MIB(9), MIB(12) }), STATUS_OK);
	boot.start_kind = START_UEFI;
	era = &era_e1;
	CHECK_EQ(preferred_ram().end, MIB(8));
	run();
	CHECK_EQ(load_u32(block.window.p + block.multiboot + 44, ORDER_LITTLE), 48);
	check_map(0, 0, MIB(2));
	check_map(1, MIB(2), MIB(8));
	done();

	CHECK_EQ(range_set_add(&boot.usable, (struct range){ MIB(16), MIB(32) }), STATUS_OK);
	CHECK_EQ(preferred_ram().start, MIB(16));
	run();
	check_map(0, 0, MIB(2));
	check_map(1, MIB(16), MIB(32));
	done();

	boot.start_kind = START_MULTIBOOT;
	CHECK_EQ(preferred_ram().end, 0);
	run();
	CHECK_EQ(load_u32(block.window.p + block.multiboot + 44, ORDER_LITTLE), 72);
	done();
}

// Kernels write to boot info and stack after they have remapped the others.
static void boot_info_of_e1_shares_no_page(void)
{
	start("path", 1);
	era = &era_e1;
	run();
	CHECK(block.info + era->info_size <= block.multiboot && block.multiboot % PAGE_SIZE == 0);
	CHECK(block.cmdline > block.multiboot);
	done();
}

#define T(name) { #name, name }
SUITE(handover_block, T(parts_follow_each_other), T(only_its_parts_are_written),
      T(the_command_line_without_loader_options), T(the_device_tree),
      T(without_a_command_line_there_are_no_bootargs), T(the_boot_info_points_to_the_rest),
      T(missing_tls_is_reported_as_zero), T(the_largest_block_holds), T(the_largest_piece_of_ram),
      T(the_multiboot_information_fits_below_its_alias), T(both_payloads_of_e3),
      T(the_usual_payload_of_e3), T(one_region_for_kernels_that_sum_up_ends),
      T(boot_info_of_e1_shares_no_page), T(every_length_and_count_fits));
