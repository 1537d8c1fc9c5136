// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Era e3: kernels 0.6.1 to 0.6.9 (crate hermit-entry 0.9.3 to 0.9.10), on riscv64 since 0.6.6.
//
// On x86_64 the platform tag's payload begins at 88 or at 96. It is a union, and uhyve's part of it
// has an i128, the time of the boot, in hermit-entry before 0.9.10. rustc since 1.77 aligns an i128
// to 16, and thereby the union. No file says which compiler it is from. handover_block.c therefore
// writes words that are right for both kinds of kernel:
//
//   offset of the word      88      96      104     112
//   value                   0x4000  0x4000  0x3000  0x3000
//   kernel with payload 88  line    size    info
//   kernel with payload 96          line    size    info
//
// `line` is the address of the command line, `size` its size, `info` the address of the Multiboot
// information. So both are mapped a second time, at virtual addresses so small that they also serve
// as sizes (ALIAS_* in handover.h). handover_block.c fills the line with blanks up to both sizes,
// 0x4000 and 0x3000 bytes. So the line itself must be shorter than 0x3000.
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
