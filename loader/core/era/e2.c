// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Era e2: kernels 0.5.0 to 0.6.0 (crate hermit-entry 0.9.0 to 0.9.2). RawBootInfo without a device
// tree. On aarch64 the platform block is at 80 instead of 72. The fields suit both CPUs: on aarch64
// all bytes from 72 on are 0, since the only tag there is 0 and has no payload.
#include "core/era/era.h"

static const struct boot_field fields[] = {
	{ 0, FACT_RAM_START },     { 8, FACT_RAM_END },          { 16, FACT_SERIAL },
	{ 24, FACT_IMAGE_START },  { 32, FACT_IMAGE_END },       { 40, FACT_TLS_START },
	{ 48, FACT_TLS_FILESZ },   { 56, FACT_TLS_MEMSZ },       { 64, FACT_TLS_ALIGN },
	{ 72, FACT_PLATFORM_TAG }, { 80, FACT_PAYLOAD_CMDLINE }, { 88, FACT_PAYLOAD_SIZE },
	{ 96, FACT_PAYLOAD_INFO },
};

#define E2_ROW                                                      \
	.name = "e2", .entry_version = 2, .sums_region_ends = true, \
	.shape = { .recursive = true }, .info_size = 144, ERA_FIELDS(fields)

const struct era era_e2 = {
	E2_ROW,
	.machine = 62, // EM_X86_64
};

const struct era era_e2_arm = {
	E2_ROW,
	.machine = 183, // EM_AARCH64
};
