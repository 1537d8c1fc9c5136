// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The boot info of every era, byte by byte. Bytes that are not listed are zero.
#include "core/era/era.h"
#include "core/span.h"
#include "test/test.h"

#define IMAGE 0x2001000
#define IMAGE_END 0x2345678
#define TLS 0x1111111111111111
#define FILESZ 0x2222222222222222
#define MEMSZ 0x3333333333333333
#define ALIGN 0x4444444444444444
#define LINE 0x5555555555555555
#define LINE_SIZE 0x6666666666666666
#define MULTIBOOT 0x7777777777777777
#define TREE 0x8888888888888888
#define STACK 0x9999999999999999
#define RAM 0xaaaaaaaaaaaaaaaa
#define RAM_END 0xbbbbbbbbbbbbbbbb
#define PAYLOAD 0xcccccccccccccccc
#define PAYLOAD_SIZE 0xdddddddddddddddd
#define PAYLOAD_INFO 0x1212121212121212

static const uint64_t facts[FACTS] = {
	[FACT_IMAGE_START] = IMAGE,
	[FACT_IMAGE_END] = IMAGE_END,
	[FACT_IMAGE_SIZE] = IMAGE_END - IMAGE,
	[FACT_TLS_START] = TLS,
	[FACT_TLS_FILESZ] = FILESZ,
	[FACT_TLS_MEMSZ] = MEMSZ,
	[FACT_TLS_ALIGN] = ALIGN,
	[FACT_RAM_START] = RAM,
	[FACT_RAM_END] = RAM_END,
	[FACT_SERIAL] = 0x3f8,
	[FACT_FDT] = TREE,
	[FACT_STACK] = STACK,
	[FACT_HEADER_STACK] = IMAGE + 0x80,
	[FACT_CMDLINE] = LINE,
	[FACT_CMDLINE_SIZE] = LINE_SIZE,
	[FACT_MULTIBOOT] = MULTIBOOT,
	[FACT_PLATFORM_TAG] = 2,
	[FACT_PAYLOAD_CMDLINE] = PAYLOAD,
	[FACT_PAYLOAD_SIZE] = PAYLOAD_SIZE,
	[FACT_PAYLOAD_INFO] = PAYLOAD_INFO,
	[FACT_ONE] = 1,
	[FACT_MAGIC] = 0xc0decafe,
	[FACT_NO_PROCESSOR] = 0xffffffff,
	[FACT_NO_ADDRESS] = 0xffffffff,
	[FACT_NETMASK] = 0x00ffffff,
};

struct byte_row {
	unsigned at, size;
	uint64_t value;
};

// `kernel_size`: the bytes that the kernel reads.
static void check(const struct era *era, size_t kernel_size, const struct byte_row *rows, size_t n)
{
	uint8_t *info = malloc(era->info_size), want[256] = { 0 };
	memset(info, 0xee, era->info_size);
	boot_info_write(info, era, ORDER_LITTLE, facts);
	for (size_t i = 0; i < n; i++)
		memcpy(want + rows[i].at, &rows[i].value, rows[i].size);
	CHECK(era->info_size >= kernel_size);
	CHECK_EQ(era->info_size % 16, 0);
	CHECK_BYTES(info, want, era->info_size);
	free(info);
}

#define CHECK_INFO(era, kernel_size, ...)                               \
	do {                                                            \
		static const struct byte_row rows_[] = { __VA_ARGS__ }; \
		check(&(era), (kernel_size), rows_, countof(rows_));    \
	} while (0)

// Port, one kernel, addresses of guest and gateway, network mask.
#define HOST_X86(at)                                                         \
	{ (at), 2, 0x3f8 }, { (at) + 2, 1, 1 }, { (at) + 4, 8, UINT64_MAX }, \
		{ (at) + 12, 3, 0xffffff }

static void the_header_of_h0(void)
{
	CHECK_INFO(era_h0, 124, { 0, 4, 0xc0decafe }, { 8, 8, IMAGE }, { 24, 8, IMAGE_END - IMAGE },
		   { 32, 8, IMAGE + 0x80 }, { 64, 8, MULTIBOOT }, { 72, 8, LINE },
		   { 80, 8, LINE_SIZE }, { 92, 4, 0xffffffff }, HOST_X86(108));
	CHECK(era_h0.info_in_image);
}

static void entry_version_1(void)
{
	CHECK_INFO(era_e1, 160, { 0, 4, 0xc0decafe }, { 4, 4, 1 }, { 8, 8, IMAGE },
		   { 24, 8, IMAGE_END - IMAGE }, { 32, 8, TLS }, { 40, 8, FILESZ },
		   { 48, 8, MEMSZ }, { 56, 8, STACK }, { 88, 8, MULTIBOOT }, { 96, 8, LINE },
		   { 104, 8, LINE_SIZE }, { 116, 4, 0xffffffff }, HOST_X86(132), { 152, 8, ALIGN });
	CHECK(era_e1.info_own_page && era_e1_arm.info_own_page);
}

static void entry_version_1_on_aarch64(void)
{
	CHECK_INFO(era_e1_arm, 160, { 0, 4, 0xc0decafe }, { 4, 4, 1 }, { 8, 8, IMAGE },
		   { 16, 8, RAM }, { 24, 8, RAM_END }, { 32, 8, IMAGE_END - IMAGE }, { 40, 8, TLS },
		   { 48, 8, FILESZ }, { 56, 8, MEMSZ }, { 64, 8, ALIGN }, { 72, 8, STACK },
		   { 104, 8, LINE }, { 112, 8, LINE_SIZE }, { 124, 4, 0xffffffff },
		   { 140, 4, 0x3f8 }, { 144, 1, 1 }, { 146, 8, UINT64_MAX }, { 154, 3, 0xffffff });
}

static void entry_version_2(void)
{
	CHECK_INFO(era_e2, 144, { 0, 8, RAM }, { 8, 8, RAM_END }, { 16, 2, 0x3f8 },
		   { 24, 8, IMAGE }, { 32, 8, IMAGE_END }, { 40, 8, TLS }, { 48, 8, FILESZ },
		   { 56, 8, MEMSZ }, { 64, 8, ALIGN }, { 72, 4, 2 }, { 80, 8, PAYLOAD },
		   { 88, 8, PAYLOAD_SIZE }, { 96, 8, PAYLOAD_INFO });
}

#define LOAD_BLOCK                                                                             \
	{ 0, 8, RAM }, { 8, 8, RAM_END }, { 16, 2, 0x3f8 }, { 24, 8, TREE }, { 32, 8, IMAGE }, \
		{ 40, 8, IMAGE_END }, { 48, 8, TLS }, { 56, 8, FILESZ }, { 64, 8, MEMSZ },     \
	{                                                                                      \
		72, 8, ALIGN                                                                   \
	}

static void entry_version_3(void)
{
	CHECK_INFO(era_e3, 144, LOAD_BLOCK, { 80, 4, 2 }, { 88, 8, PAYLOAD },
		   { 96, 8, PAYLOAD_SIZE }, { 104, 8, PAYLOAD_INFO }, { 112, 8, PAYLOAD_INFO });
}

static void entry_version_4(void)
{
	CHECK_INFO(era_e4, 128, LOAD_BLOCK, { 80, 4, 2 }, { 88, 8, PAYLOAD },
		   { 96, 8, PAYLOAD_SIZE }, { 104, 8, PAYLOAD_INFO });
	CHECK_EQ(era_e4.info_size, 128);
	CHECK(era_e4_tagged.fields == era_e4.fields && era_e4_newest.fields == era_e4.fields);
}

static void big_endian(void)
{
	uint8_t info[128];
	boot_info_write(info, &era_e4, ORDER_BIG, facts);
	CHECK_EQ(load_u64(info + 16, ORDER_BIG), 0x3f8);
	CHECK_EQ(load_u64(info + 32, ORDER_BIG), IMAGE);
}

#define T(name) { #name, name }
SUITE(era_info, T(the_header_of_h0), T(entry_version_1), T(entry_version_1_on_aarch64),
      T(entry_version_2), T(entry_version_3), T(entry_version_4), T(big_endian));
