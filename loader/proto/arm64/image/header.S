// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The file's first page, two headers in one. Linux's arm64 image header (Documentation/arm64/booting.rst): 64 bytes, little-endian; loaded at any
// multiple of 2 MiB, entered at its first byte with x0 = device tree. And PE/COFF (Microsoft PE and COFF Specification 8.3; UEFI 2.10, 2.1.1) for an
// AArch64 UEFI application: that one begins with "MZ", which has to be an instruction. Offsets in the file are offsets in memory.

#define FLAGS		0xa			// little-endian, 4 KiB pages, anywhere in memory
#define CODE		0x60000020		// code, executable, readable
#define CONST		0x40000040		// initialised data, readable
#define DATA		0xc0000040		// initialised data, readable, writable

// A number that the linker script computes as an address: the distance from the header is the one constant that a PIE has.
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
	ccmp	x18, #0, #0xd, pl	// "MZ" and 40 fa; changes flags that nobody reads
	b	arch_entry
	.quad	0x100000		// text_offset: below, there is room for what is handed over, and an application can begin 1 MiB above
	.quad	loader_end - image_header // image_size: bss included
	.quad	FLAGS
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	pe - image_header

pe:	.ascii	"PE\0\0"
	.hword	0xaa64			// machine
	.hword	3			// sections
	.long	0, 0, 0			// time stamp, symbols
	.hword	sections - optional
	.hword	0x022e			// executable, no line numbers, no local symbols, large addresses, no debug information

optional:
	.hword	0x020b			// PE32+
	.byte	0, 0
	number	pe_text_size
	number	pe_rodata_size
	.long	0
	number	pe_entry
	number	pe_text
	.quad	0			// image base: runs anywhere
	.long	0x1000			// alignment in memory
	.long	0x200			// alignment in the file
	.hword	0, 0, 0, 0, 0, 0	// versions
	.long	0
	number	pe_size
	number	pe_text			// size of headers
	.long	0			// check sum
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
