// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/era/era.h"
#include "core/span.h"
#include "test/fake.h"
#include "test/test.h"

static const struct era *era;

static enum status identify(bool has, uint8_t version, uint32_t forced)
{
	const struct notes notes = { .has_entry_version = has, .entry_version = version };
	console_open();
	era = NULL;
	return era_identify(&notes, &elf_target_x86_64, forced, &era);
}

static void version_4_is_e4(void)
{
	CHECK_EQ(identify(true, 4, 0), STATUS_OK);
	CHECK_STR(era->name, "e4");
	CHECK_EQ(era->entry_version, 4);
	CHECK(era->stack_low_end);
	CHECK_EQ(era->stack_size, 0x8000);
	CHECK_EQ(era->info_size % 16, 0);
	CHECK(era->shape.recursive);
}

static void the_option_overrides_the_notes(void)
{
	CHECK_EQ(identify(false, 0, 4), STATUS_OK);
	CHECK_EQ(era->entry_version, 4);
	CHECK_EQ(identify(true, 3, 4), STATUS_OK);
	CHECK_EQ(era->entry_version, 4);
	CHECK_REFUSED_SO_FAR(identify(true, 4, 9), ERA_UNSUPPORTED,
			     "81 era-unsupported: entry version 9, this loader supports ");
}

static void an_unknown_version_is_refused(void)
{
	CHECK_REFUSED_SO_FAR(identify(false, 0, 0), ERA_NO_NOTE,
			     "81 era-no-note: the file has no Hermit entry-version note: ");
	CHECK_REFUSED_SO_FAR(identify(true, 3, 0), ERA_UNSUPPORTED,
			     "81 era-unsupported: entry version 3, this loader supports ");
	CHECK_REFUSED_SO_FAR(identify(true, 0, 0), ERA_UNSUPPORTED,
			     "81 era-unsupported: entry version 0, this loader supports ");
	CHECK_REFUSED_SO_FAR(identify(true, 255, 0), ERA_UNSUPPORTED,
			     "81 era-unsupported: entry version 255, this loader supports ");
}

static const struct boot_info_inputs e4_facts = {
	.image = { 0x2001000, 0x2345678 },
	.tls = { .vaddr = 0x1111111111111111,
		 .filesz = 0x2222222222222222,
		 .memsz = 0x3333333333333333,
		 .align = 0x4444444444444444 },
	.cmdline = 0x5555555555555555,
	.cmdline_size = 0x6666666666666666,
	.multiboot = 0x7777777777777777,
	.ram = { 0x2000000, 0 },
	.fdt = 0x8888888888888888,
	.serial = 0x3f8,
};

// RawBootInfo of entry version 4, byte by byte. Bytes that are not listed are zero.
static void the_boot_information_of_e4(void)
{
	CHECK_EQ(identify(true, 4, 0), STATUS_OK);
	uint8_t *info = malloc(era->info_size), want[144] = { 0 };
	memset(info, 0xee, era->info_size);
	era->write_info(info, &e4_facts);
	CHECK_EQ(era->info_size, sizeof want);
	static const struct {
		unsigned at;
		uint64_t value;
	} fields[] = {
		// physical addresses from: the 2 MiB unit of the image
		{ 0, 0x2000000 },
		{ 8, 0 },                   // to: not reported
		{ 16, 0x3f8 },              // serial port, 16 bits
		{ 24, 0x8888888888888888 }, // device tree
		{ 32, 0x2001000 },          // image
		{ 40, 0x2345678 },
		// TLS: start, file size, memory size, alignment
		{ 48, 0x1111111111111111 },
		{ 56, 0x2222222222222222 },
		{ 64, 0x3333333333333333 },
		{ 72, 0x4444444444444444 },
		{ 80, 0 },                  // platform: Multiboot
		{ 88, 0x5555555555555555 }, // command line: start, length
		{ 96, 0x6666666666666666 },
		{ 104, 0x7777777777777777 }, // Multiboot information
	};
	for (size_t i = 0; i < countof(fields); i++)
		store_u64(want + fields[i].at, fields[i].value, ORDER_LITTLE);
	CHECK_BYTES(info, want, sizeof want);
	free(info);
}

static void no_tls_is_all_zero(void)
{
	const struct boot_info_inputs facts = { .image = { 0x200000, 0x300000 } };
	uint8_t info[144];
	static const uint8_t zero[32];
	memset(info, 0xee, sizeof info);
	era_e4.write_info(info, &facts);
	CHECK_BYTES(info + 48, zero, 32);
}

static void the_platform_tag(void)
{
	static const struct notes kernel_0_9 = { .kernel = { 0, 9, 9 } },
				  kernel_0_10 = { .kernel = { 0, 10, 0 } },
				  kernel_1_0 = { .kernel = { 1, 0, 0 } };
	const struct notes no_abi_tag = { 0 };
	for (enum start_kind start = 0; start < START_KINDS; start++) {
		CHECK_EQ(era_platform_tag(&no_abi_tag, start), PLATFORM_TAG_MULTIBOOT);
		CHECK_EQ(era_platform_tag(&kernel_0_9, start), PLATFORM_TAG_MULTIBOOT);
	}
	CHECK_EQ(era_platform_tag(&kernel_0_10, START_DEVICETREE), PLATFORM_TAG_MULTIBOOT);
	CHECK_EQ(era_platform_tag(&kernel_0_10, START_MULTIBOOT), PLATFORM_TAG_MULTIBOOT);
	CHECK_EQ(era_platform_tag(&kernel_0_10, START_PVH), PLATFORM_TAG_MULTIBOOT);
	CHECK_EQ(era_platform_tag(&kernel_0_10, START_LINUX), PLATFORM_TAG_LINUX_PARAMS);
	CHECK_EQ(era_platform_tag(&kernel_0_10, START_UEFI), PLATFORM_TAG_FDT);
	CHECK_EQ(era_platform_tag(&kernel_1_0, START_LINUX), PLATFORM_TAG_LINUX_PARAMS);
}

static void the_multiboot_information(void)
{
	struct range_set usable = { .count = 2,
				    .ranges = { { 0x1000, 0x9fc00 }, { 0x100000, 0x123456789a } } };
	size_t n = multiboot_info_size(2);
	CHECK_EQ(n, 96 + 2 * 24);
	uint8_t *info = malloc(n), want[144] = { 0 };
	memset(info, 0xee, n);
	multiboot_info_write(info, 0xa123, 0xb456, &usable);
	want[0] = 0x44; // command line and memory map
	store_u32(want + 16, 0xb456, ORDER_LITTLE);
	store_u32(want + 44, 48, ORDER_LITTLE);
	store_u32(want + 48, 0xa123 + 96, ORDER_LITTLE);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *entry = want + 96 + 24 * i;
		store_u32(entry, 20, ORDER_LITTLE);
		store_u64(entry + 4, usable.ranges[i].start, ORDER_LITTLE);
		store_u64(entry + 12, usable.ranges[i].end - usable.ranges[i].start, ORDER_LITTLE);
		store_u32(entry + 20, 1, ORDER_LITTLE);
	}
	CHECK_BYTES(info, want, n);
	free(info);
}

#define T(name) { #name, name }
SUITE(era, T(version_4_is_e4), T(the_option_overrides_the_notes), T(an_unknown_version_is_refused),
      T(the_boot_information_of_e4), T(no_tls_is_all_zero), T(the_platform_tag),
      T(the_multiboot_information));
