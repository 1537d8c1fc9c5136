// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The first page of the file: two headers in one.
//
// Linux's arm64 Image header (Documentation/arch/arm64/booting.rst): 64 bytes, little-endian.
// Loaded at text_offset from a multiple of 2 MiB, entered at the first byte with x0 = device tree.
//
// PE/COFF header of an AArch64 UEFI application (PE Format, Microsoft; UEFI 2.10, 2.1.1). It starts
// with "MZ", which therefore has to be a harmless instruction. Offsets in the file equal offsets in
// memory.

#define FLAGS		0xa			// little-endian, 4 KiB pages, anywhere in memory
// Section characteristics.
#define CODE		0x60000020		// code, executable, readable
#define CONST		0x40000040		// initialized data, readable
#define DATA		0xc0000040		// initialized data, readable, writable

// A number that ld/efi.ld defines as the address of a symbol. Only the difference of two addresses
// is a link-time constant in a PIE.
	.macro	number symbol
	.long	\symbol - image_header
	.endm

	.macro	section flags, at, size, file_size
	number	\size
	number	\at
	number	\file_size
	number	\at
	.long	0, 0, 0, \flags
	.endm

	.section .header, "a"
image_header:
	ccmp	x18, #0, #0xd, pl	// bytes 4d 5a 40 fa, "MZ"; changes only flags
	b	arch_entry
	// The loader is at 2n MiB + 1 MiB: the MiB below has room for the hand-over block, and an
	// image can start at the next multiple of 2 MiB.
	.quad	0x100000		// text_offset
	.quad	loader_end - image_header // image_size, .bss included
	.quad	FLAGS
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	pe - image_header

pe:	.ascii	"PE\0\0"
	.hword	0xaa64			// machine
	.hword	3			// sections
	.long	0, 0, 0			// time stamp, symbols
	.hword	sections - optional
	.hword	0x022e			// executable, large addresses, nothing but code and data

optional:
	.hword	0x020b			// PE32+
	.byte	0, 0
	number	pe_text_size
	number	pe_rodata_size
	.long	0
	number	pe_entry
	number	pe_text
	.quad	0			// image base: any
	.long	0x1000			// section alignment in memory
	.long	0x200			// section alignment in the file
	.hword	0, 0, 0, 0, 0, 0	// versions
	.long	0
	number	pe_size
	number	pe_text			// size of headers
	.long	0			// checksum, unused
	.hword	10			// EFI application
	.hword	0x0100			// NX compatible
	.quad	0, 0, 0, 0		// stack and heap
	.long	0
	.long	6			// data directories
	.quad	0, 0, 0, 0, 0, 0

sections:
	.ascii	".text\0\0\0"
	section	CODE, pe_text, pe_text_size, pe_text_size
	.ascii	".rodata\0"
	section	CONST, pe_rodata, pe_rodata_size, pe_rodata_size
	.ascii	".data\0\0\0"
	section	DATA, pe_data, pe_data_size, pe_data_file_size
