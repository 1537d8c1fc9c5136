// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the application is handed, and the seam to arch/: one folder per CPU defines the functions
// below, the host tests define others.
#pragma once

#include "core/load.h"
#include "core/place.h"
#include "core/range.h"

// Which pages a kernel wants to find, as data (reference: docs/hand-over.md). Always: the block by
// the CPU's smallest pages, identity-mapped and writable, the image by 2 MiB pages, and nothing
// else.
struct paging_shape {
	bool recursive; // the last entry of the top table points to that table
};

// Offsets within the block. The tables lie in consecutive pages, the top one first.
struct handover_block {
	struct window window;
	// low end; nothing of ours is mapped below it, so that an overflow is noticed
	uint64_t stack, stack_size;
	uint64_t tables, tables_size;
	uint64_t info;
	uint64_t cmdline, cmdline_size; // without the NUL that follows
	uint64_t multiboot;
	uint64_t rsdp;
	uint64_t cc_blob;
	uint64_t boot_params;
	uint64_t fdt, fdt_size, fdt_capacity; // what it has, and what it may have
	// arch's: the last instructions, their data, descriptor tables
	uint64_t trampoline, trampoline_size;
	uint64_t size;
};

struct handover {
	const struct handover_block *block;
	const struct paging_shape *shape;
	struct range image;
	// moved to `image` by the trampoline when it is another place
	struct range staging;
	uint64_t entry;
	uint64_t stack; // value of the stack pointer
	uint64_t info;  // boot information
	uint64_t cpu;   // 0, or on riscv64 the hart id
	// aarch64: physical address of the UART that the kernel finds at virtual address 0x1000; 0:
	// none
	uint64_t uart;
};

// Bytes that arch wants in the block: page tables for this image and for a block of at most `other`
// bytes besides the tables that place.h places by arch_place_rules, and the trampoline with its
// data. Without a block_boundary the size is the same wherever the image lies.
uint64_t arch_tables_size(struct range image, uint64_t other);
uint64_t arch_trampoline_size(void);

extern const struct place_rules arch_place_rules;
// The stack pointer at entry is the top of the stack whatever the era (riscv64).
extern const bool arch_stack_top;

// Writes the tables and the trampoline into the block, switches to them, and jumps. No way back; an
// exception is still reported.
noreturn void arch_handover(const struct handover *handover);
