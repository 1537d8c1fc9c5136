// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Era e4: kernels since 0.7.0, on all CPUs. Boot info is RawBootInfo of entry version 4 (crate
// hermit-entry 0.10): hardware block, load block, platform block, in the CPU's byte order.
#include "core/era/era.h"

static const struct boot_field fields[] = {
	{ 0, FACT_RAM_START },
	{ 8, FACT_RAM_END },
	// x86_64: u16 and padding. Other CPUs: u64.
	{ 16, FACT_SERIAL },
	{ 24, FACT_FDT },
	{ 32, FACT_IMAGE_START },
	{ 40, FACT_IMAGE_END },
	{ 48, FACT_TLS_START },
	{ 56, FACT_TLS_FILESZ },
	{ 64, FACT_TLS_MEMSZ },
	{ 72, FACT_TLS_ALIGN },
	{ 80, FACT_PLATFORM_TAG }, // u32
	{ 88, FACT_PAYLOAD_CMDLINE },
	{ 96, FACT_PAYLOAD_SIZE },
	{ 104, FACT_PAYLOAD_INFO },
};

#define E4_ROW .name = "e4", .entry_version = 4, .info_size = 128, ERA_FIELDS(fields)
// For kernels since 0.10. Protocols not named here have tag 0, PLATFORM_TAG_MULTIBOOT or
// _LINUX_BOOT. Earlier kernels know tag 0 only, so their row has no `tags`.
#define E4_TAGS                                            \
	{                                                  \
		[START_LINUX] = PLATFORM_TAG_LINUX_PARAMS, \
		[START_UEFI] = PLATFORM_TAG_FDT,           \
	}

// Unreleased kernels after 0.13. Their version still says 0.13, but their uhyve interface is 2 or
// later. With a recursive top table they would leave the RAM below the image unused. Without one,
// as in this row, they use that RAM except the block, which the device tree reserves. kernel_minor
// excludes files without an ABI tag, as in the next row.
const struct era era_e4_newest = {
	E4_ROW,
	.kernel_minor = 10,
	.uhyve_interface = 2,
	.machine = 62, // EM_X86_64
	.tags = E4_TAGS,
	.shape = { .recursive = false },
};

const struct era era_e4_tagged = {
	E4_ROW,
	.kernel_minor = 10,
	.tags = E4_TAGS,
	.shape = { .recursive = true },
};

const struct era era_e4 = {
	E4_ROW,
	.shape = { .recursive = true },
};
