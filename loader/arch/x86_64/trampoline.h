// SPDX-License-Identifier: Apache-2.0 OR MIT
// The trampoline hands the CPU to the application. It runs from a copy in the hand-over block,
// because the kernel's page tables do not map the loader and the image may overwrite it. It
// contains the exception vectors as well; until the hand-over these run where they were linked.
//
// Everything between trampoline_start and trampoline_end is position-independent and calls nothing
// outside.
#pragma once

#include "arch/x86_64/cpu.h"
#include "core/handover.h"

// Exceptions 0 to 21 (Intel SDM volume 3, Exception and Interrupt Vectors), one stub each.
#define VECTORS 22
#define VECTOR_STUB_SIZE 16

// An interrupt gate (Intel SDM volume 3, 64-Bit Mode IDT).
struct gate {
	uint64_t low, high;
};

// trampoline.asm uses the offsets. Addresses are physical, which equals linear: both sets of page
// tables map the block identically.
struct trampoline_args {
	uint64_t root; // value of CR3
	// Stack of the trampoline itself: the top of the application's stack, which is unused yet.
	uint64_t trampoline_stack;
	uint64_t stack; // stack pointer at entry
	uint64_t entry;
	uint64_t args[2]; // rdi, rsi
	// From the staging copy to the image, which do not overlap. Bytes; 0: nothing to move.
	uint64_t move_to, move_from, move_size;
	// Page-table entries that only the move needs (struct staging_entries).
	uint64_t unmap_at, unmap_count;
	struct cpu_table_pointer gdt_pointer;
	struct cpu_table_pointer idt_pointer;
	uint8_t padding[4];
	uint64_t gdt[3];
	struct gate idt[VECTORS];
};

_Static_assert(offsetof(struct trampoline_args, args) == 32 &&
		       offsetof(struct trampoline_args, move_to) == 48 &&
		       offsetof(struct trampoline_args, unmap_at) == 72 &&
		       offsetof(struct trampoline_args, gdt_pointer) == 88 &&
		       offsetof(struct trampoline_args, idt_pointer) == 98 &&
		       offsetof(struct trampoline_args, gdt) == 112,
	       "trampoline.asm");

// Functions of the loader that the exception report uses. All are NULL in the copy, which must not
// call the loader.
struct exception_hooks {
	// Returns the name of the function at `address`, and the offset in it. NULL: unknown.
	const char *(*symbol)(uint64_t address, uint64_t *offset);
};

extern char exception_vectors[];
extern char trampoline_enter[]; // code: takes a struct trampoline_args *, does not return
extern struct exception_hooks exception_hooks;

// Fills the interrupt gates for the vector stubs at `stubs`.
void idt_fill(struct gate idt[VECTORS], uint64_t stubs);
