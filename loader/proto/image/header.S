// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Linux's arm64 image header (Documentation/arm64/booting.rst): 64 bytes, little-endian. Loaded at any multiple of 2 MiB, entered at its first
// byte with x0 = device tree.

#define FLAGS 0xa			// little-endian, 4 KiB pages, anywhere in memory

	.section .start.header, "ax"
	.globl	image_header
image_header:
	b	arch_entry
	.long	0
	.quad	0			// text_offset
	.quad	loader_end_offset	// image_size: bss included
	.quad	FLAGS
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0			// of a PE header
