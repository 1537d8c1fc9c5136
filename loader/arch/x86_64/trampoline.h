// SPDX-License-Identifier: Apache-2.0 OR MIT
// The trampoline: it runs from a copy in the block, since everything else of the loader is neither
// mapped nor, perhaps, there any more when the application gets the CPU. It also holds the
// exception vectors, which serve the loader itself where they were linked.
//
// Everything between trampoline_start and trampoline_end is position-independent and calls nothing
// outside.
#pragma once

#include "arch/x86_64/cpu.h"
#include "core/base.h"

#define VECTORS 22
#define VECTOR_STUB_SIZE 16

struct gate {
	uint64_t low, high;
};

// Offsets are known to trampoline.asm.
struct trampoline_args {
	uint64_t root; // of the page tables
	// while the trampoline runs: top of the stack that is handed over
	uint64_t trampoline_stack;
	uint64_t stack; // stack pointer at entry
	uint64_t entry;
	uint64_t args[2];
	uint64_t move_to, move_from, move_size; // bytes; 0: nothing to move
	// page-table entries that only the move needs
	uint64_t unmap_at, unmap_count;
	struct cpu_table_pointer gdt_pointer;
	struct cpu_table_pointer idt_pointer;
	uint8_t padding[4];
	uint64_t gdt[3];
	struct gate idt[VECTORS];
};

_Static_assert(offsetof(struct trampoline_args, gdt_pointer) == 88 &&
		       offsetof(struct trampoline_args, idt_pointer) == 98 &&
		       offsetof(struct trampoline_args, gdt) == 112,
	       "trampoline.asm");

// What the exception report may use while the loader is whole; the copy in the block has none of
// it.
struct exception_hooks {
	// The function that contains `address`, and how far into it; NULL when unknown.
	const char *(*symbol)(uint64_t address, uint64_t *offset);
};

extern char trampoline_start[], trampoline_end[], exception_vectors[];
extern char trampoline_enter[]; // the code: called with struct trampoline_args *, does not return
extern struct exception_hooks exception_hooks;

// Points `count` interrupt gates at the vector stubs that lie at `stubs`.
void idt_fill(struct gate idt[VECTORS], uint64_t stubs);
