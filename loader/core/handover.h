// SPDX-License-Identifier: Apache-2.0 OR MIT
// The hand-over to the application, and the interface to arch/. Each arch/<cpu> implements the
// arch_* functions; host tests have fake ones. docs/hand-over.md gives the complete state.
#pragma once

#include "core/load.h"
#include "core/place.h"
#include "core/range.h"

// The stack that every kernel expects.
#define STACK_SIZE UINT64_C(0x8000)

// What differs between the page tables of eras. All of them identity-map the block (in the CPU's
// smallest pages) and the image (in pages of place_rules.image_page_size), both writable. On
// aarch64 they also map the UART, at virtual address 0x1000, and on x86_64 for era e3 the pages of
// ALIAS_*. They map nothing else: kernels map further pages themselves and panic if one is mapped
// already. riscv64 has no page tables.
struct paging_shape {
	// The last entry of the top table points to the table itself (recursive mapping), so that
	// kernels can edit their tables through it.
	bool recursive;
};

// x86_64, era.two_payloads: second virtual addresses of Multiboot information and command line.
// Kernels of era e3 may read these words as addresses or as the length of the command line
// (era/e3.c), so each value must serve as both. Kernels themselves map page 0 and pages from 0x8000
// on.
#define ALIAS_MULTIBOOT UINT64_C(0x3000)
#define ALIAS_CMDLINE UINT64_C(0x4000)
#define ALIAS_END UINT64_C(0x8000)

// The parts of the hand-over block as offsets and sizes in bytes. The stack comes first: page
// tables map nothing below it, so that an overflow faults. The tables are in consecutive pages, the
// top table first.
struct handover_block {
	// Where the block is.
	struct window window;
	uint64_t stack;
	uint64_t tables, tables_size;
	uint64_t info;
	uint64_t multiboot;
	// The size excludes NUL.
	uint64_t cmdline, cmdline_size;
	uint64_t rsdp;
	uint64_t cc_blob;
	uint64_t boot_params;
	// The device tree, its size, and the bytes reserved for it.
	uint64_t fdt, fdt_size, fdt_capacity;
	// For arch/: the copy of the trampoline with its arguments, and the bytes reserved for it.
	uint64_t trampoline, trampoline_capacity;
	uint64_t size;
	// The pages ALIAS_MULTIBOOT to ALIAS_END are mapped to those from `multiboot` on.
	bool alias;
};

struct handover {
	const struct handover_block *block;
	const struct paging_shape *shape;
	struct range image;
	// Where the image is now. The trampoline moves it to `image` if the two differ.
	struct range staging;
	// Values of the registers at the entry point: program counter, stack pointer, two
	// arguments. `info` is the address of boot info and the first argument, on riscv64 the
	// second. `cpu` is the hart's ID on riscv64, 0 on other CPUs.
	uint64_t entry;
	uint64_t stack;
	uint64_t info;
	uint64_t cpu;
	// aarch64: physical address of the UART that kernels expect at virtual address 0x1000.
	// 0: none.
	uint64_t uart;
};

// Returns the size in bytes of page tables that map `image` and the block, which consists of these
// tables and `rest_of_block` bytes. On x86_64 the size depends on the image's address, so
// place_block_and_copies() must not move the image afterwards (block_size_depends_on_image in
// struct place_rules).
uint64_t arch_tables_size(struct range image, uint64_t rest_of_block);

// Returns handover_block.trampoline_capacity: trampoline_code_size(), the arguments that follow the
// code, and what aligning the copy may cost.
uint64_t arch_trampoline_capacity(void);

// The trampoline as it is linked (arch/<cpu>/trampoline.h). Its copies have the same layout.
extern char trampoline_start[], trampoline_end[];

// In bytes, without arguments. A multiple of 16 (ld/trampoline-sections.ld), because the arguments
// follow each copy.
static inline uint64_t trampoline_code_size(void)
{
	return (uint64_t)(trampoline_end - trampoline_start);
}

// The offset of a symbol of the trampoline, in the linked one and in each copy.
static inline uint64_t trampoline_offset(const void *symbol)
{
	return (uint64_t)((const char *)symbol - trampoline_start);
}

extern const struct place_rules arch_place_rules;
// The stack pointer at entry, as an offset from the low end of the stack. Kernels before 0.5.0
// ignore it and find the stack by boot info.
//   x86_64: 8. Kernels add STACK_SIZE - 16 and jump to a function, where the psABI wants the stack
//     pointer to be 8 modulo 16.
//   aarch64: 0. Kernels add STACK_SIZE - 16.
//   riscv64: STACK_SIZE. Kernels add nothing.
extern const uint64_t arch_stack_at_entry;

// Writes page tables and trampoline to the block, activates them and enters the kernel. The
// exception handler stays active until the entry point.
noreturn void arch_handover(const struct handover *handover);
