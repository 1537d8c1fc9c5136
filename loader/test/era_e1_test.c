// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Entry version 1.
#include "core/era/era.h"
#include "core/span.h"
#include "test/test.h"

static const struct era *identify(void)
{
	const struct notes notes = { .has_entry_version = true, .entry_version = 1 };
	const struct era *era = NULL;
	CHECK_EQ(era_identify(&notes, &elf_target_x86_64, 0, &era), STATUS_OK);
	return era;
}

static void version_1_is_e1(void)
{
	const struct era *era = identify();
	CHECK_STR(era->name, "e1");
	CHECK_EQ(era->entry_version, 1);
	CHECK(!era->stack_low_end);
	CHECK_EQ(era->stack_size, 0x8000);
	CHECK(era->shape.recursive);
}

static void notes_may_be_missing_when_the_option_says_so(void)
{
	const struct notes notes = { 0 };
	const struct era *era = NULL;
	CHECK_EQ(era_identify(&notes, &elf_target_x86_64, 1, &era), STATUS_OK);
	CHECK_EQ(era->entry_version, 1);
}

static const struct boot_info_inputs facts = {
	.image = { 0x2001000, 0x2345678 },
	.tls = { .vaddr = 0x1111111111111111,
		 .filesz = 0x2222222222222222,
		 .memsz = 0x3333333333333333,
		 .align = 0x4444444444444444 },
	.cmdline = 0x5555555555555555,
	.cmdline_size = 0x6666666666666666,
	.multiboot = 0x7777777777777777,
	.fdt = 0x8888888888888888,
	.stack = 0x9999999999999999,
	.serial = 0x3f8,
};

// BootInfo of entry version 1, byte by byte. Bytes that are not listed are zero.
static void the_boot_information_of_e1(void)
{
	static const struct {
		unsigned at;
		uint64_t value;
	} fields[] = {
		{ 0, 0x00000001c0decafe }, // magic, version
		{ 8, 0x2001000 },          // image
		{ 24, 0x344678 },
		{ 32, 0x1111111111111111 }, // TLS
		{ 40, 0x2222222222222222 },
		{ 48, 0x3333333333333333 },
		{ 56, 0x9999999999999999 }, // stack, low end
		{ 88, 0x7777777777777777 }, // Multiboot information
		{ 96, 0x5555555555555555 }, // command line
		{ 104, 0x6666666666666666 },
		{ 112, 0xffffffff00000000 }, // boot processor: none yet
		{ 152, 0x4444444444444444 }, // alignment of TLS
	};
	const struct era *era = identify();
	uint8_t *info = malloc(era->info_size), want[160] = { 0 };
	memset(info, 0xee, era->info_size);
	era->write_info(info, &facts);
	for (size_t i = 0; i < countof(fields); i++)
		store_u64(want + fields[i].at, fields[i].value, ORDER_LITTLE);
	// port, one kernel, addresses, mask
	memcpy(want + 132, "\xf8\x03\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0", 16);
	CHECK_EQ(era->info_size, sizeof want);
	CHECK_BYTES(info, want, sizeof want);
	free(info);
}

#define T(name) { #name, name }
SUITE(era_e1, T(version_1_is_e1), T(notes_may_be_missing_when_the_option_says_so),
      T(the_boot_information_of_e1));
