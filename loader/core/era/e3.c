// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Era e3: kernels 0.6.1 to 0.6.9 (crate hermit-entry 0.9.3 to 0.9.10), on riscv64 since 0.6.6.
//
// On x86_64 the platform tag's payload begins at 88 or at 96. It is a union, and uhyve's part of it
// has an i128, the time of the boot, in hermit-entry before 0.9.10. rustc since 1.77 aligns an i128
// to 16, and thereby the union. No file says which compiler it is from. handover_block.c therefore
// maps command line and Multiboot information a second time, at virtual addresses so small that
// they also serve as sizes (ALIAS_* in handover.h). It writes values that are right at both places:
//
//   offset      88      96      104     112
//   value       0x4000  0x4000  0x3000  0x3000
//   at 88       line    size    info
//   at 96               line    size    info
//
// `line` is the address of the command line, and `info` that of the Multiboot information. `size`
// is the line's size as the kernel reads it: 0x4000 or 0x3000 bytes. handover_block.c fills the
// line with blanks up to both, so both are right. The line itself must be shorter than 0x3000.
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
