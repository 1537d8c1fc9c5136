// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Era e3: kernels 0.6.1 to 0.6.9 (crate hermit-entry 0.9.3 to 0.9.10), on riscv64 since 0.6.6. The
// payload of x86_64 begins at 88, or at 96 if the compiler aligns a 128-bit number to 16
// (rustc 1.77 and later, hermit-entry before 0.9.10). No file says which. handover_block.c
// therefore chooses values that are right at both places:
//
//   at          88      96      104     112
//   value       0x4000  0x4000  0x3000  0x3000
//   first       line    size    info
//   second              line    size    info
//
// `line` is the address of the command line, `info` that of the Multiboot information. The line
// must be shorter than the smaller size, 0x3000.
#include "core/era/era.h"

static const struct boot_field fields[] = {
	{ 0, FACT_RAM_START },     { 8, FACT_RAM_END },        { 16, FACT_SERIAL },
	{ 24, FACT_FDT },          { 32, FACT_IMAGE_START },   { 40, FACT_IMAGE_END },
	{ 48, FACT_TLS_START },    { 56, FACT_TLS_FILESZ },    { 64, FACT_TLS_MEMSZ },
	{ 72, FACT_TLS_ALIGN },    { 80, FACT_PLATFORM_TAG },  { 88, FACT_PAYLOAD_CMDLINE },
	{ 96, FACT_PAYLOAD_SIZE }, { 104, FACT_PAYLOAD_INFO }, { 112, FACT_PAYLOAD_INFO },
};

const struct era era_e3 = {
	.name = "e3",
	.entry_version = 3,
	.sums_region_ends = true, // up to 0.6.4
	.two_payloads = true,
	.shape = { .recursive = true },
	.info_size = 144,
	ERA_FIELDS(fields),
};
