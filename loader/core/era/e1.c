// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Era e1: kernels 0.3.10 to 0.4.4 (crate hermit-entry up to 0.8), on aarch64 since 0.4.0. Only
// 0.4.3 and 0.4.4 have a note. Up to 0.3.53 the structure ends before the alignment of TLS. The
// kernel reads and writes boot info as long as it runs. The end of RAM stays 0 on x86_64: the
// kernel takes the memory map from the Multiboot information. A CPU frequency of 0 means unknown.
#include "core/era/era.h"

static const struct boot_field fields[] = {
	{ 0, FACT_MAGIC }, // u32, like the version
	{ 4, FACT_ONE },
	{ 8, FACT_IMAGE_START },
	{ 24, FACT_IMAGE_SIZE },
	{ 32, FACT_TLS_START },
	{ 40, FACT_TLS_FILESZ },
	{ 48, FACT_TLS_MEMSZ },
	{ 56, FACT_STACK },
	{ 88, FACT_MULTIBOOT },
	{ 96, FACT_CMDLINE },
	{ 104, FACT_CMDLINE_SIZE },
	{ 116, FACT_NO_PROCESSOR }, // u32
	{ 132, FACT_SERIAL },       // u16
	{ 134, FACT_ONE },          // u8: a single kernel
	{ 136, FACT_NO_ADDRESS },   // u8[4], like the next two: guest, gateway, netmask
	{ 140, FACT_NO_ADDRESS },
	{ 144, FACT_NETMASK },
	{ 152, FACT_TLS_ALIGN },
};

static const struct boot_field fields_arm[] = {
	{ 0, FACT_MAGIC },          { 4, FACT_ONE },
	{ 8, FACT_IMAGE_START },    { 16, FACT_RAM_START },
	{ 24, FACT_RAM_END },       { 32, FACT_IMAGE_SIZE },
	{ 40, FACT_TLS_START },     { 48, FACT_TLS_FILESZ },
	{ 56, FACT_TLS_MEMSZ },     { 64, FACT_TLS_ALIGN },
	{ 72, FACT_STACK },         { 104, FACT_CMDLINE },
	{ 112, FACT_CMDLINE_SIZE }, { 124, FACT_NO_PROCESSOR },
	{ 140, FACT_SERIAL }, // u32
	{ 144, FACT_ONE },          { 146, FACT_NO_ADDRESS },
	{ 150, FACT_NO_ADDRESS },   { 154, FACT_NETMASK }, // the last stored byte is at 161
};

const struct era era_e1 = {
	.name = "e1",
	.entry_version = 1,
	.machine = 62, // EM_X86_64
	.info_own_page = true,
	.sums_region_ends = true,
	.shape = { .recursive = true },
	.info_size = 160,
	ERA_FIELDS(fields),
};

const struct era era_e1_arm = {
	.name = "e1",
	.entry_version = 1,
	.machine = 183, // EM_AARCH64
	.info_own_page = true,
	.shape = { .recursive = true },
	.info_size = 176,
	ERA_FIELDS(fields_arm),
};
