// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Era h0: kernels up to 0.3.9 on x86_64. The image begins with a header, which has the boot info
// and the boot stack. The loader writes boot info to the block first. hand_over() in boot.c copies
// it over the header, once the image is loaded.
#include "core/era/era.h"

static const struct boot_field fields[] = {
	{ 0, FACT_MAGIC }, // u32; the version, 0, follows
	{ 8, FACT_IMAGE_START },   { 24, FACT_IMAGE_SIZE }, { 32, FACT_HEADER_STACK },
	{ 64, FACT_MULTIBOOT },    { 72, FACT_CMDLINE },    { 80, FACT_CMDLINE_SIZE },
	{ 92, FACT_NO_PROCESSOR }, // u32
	{ 108, FACT_SERIAL },      // u16
	{ 110, FACT_ONE },         // u8: a single kernel
	{ 112, FACT_NO_ADDRESS },  // u8[4], like the next two: guest, gateway, netmask
	{ 116, FACT_NO_ADDRESS },  { 120, FACT_NETMASK },
};

const struct era era_h0 = {
	.name = "h0",
	.entry_version = ENTRY_VERSION_H0,
	.machine = 62, // EM_X86_64
	.info_in_image = true,
	.sums_region_ends = true,
	.shape = { .recursive = true },
	.info_size = 128,
	ERA_FIELDS(fields),
};
