// SPDX-License-Identifier: Apache-2.0 OR MIT
// The trampoline: it runs from a copy in the block, since the image may take the loader's place. It
// also holds the exception vector, which serves the loader itself where it was linked.
//
// Everything between trampoline_start and trampoline_end (ld/riscv64-sbi.ld: trampoline.S,
// exception.c, dev/sbi.c) is position-independent and calls nothing outside.
#pragma once

#include "core/base.h"

// Offsets are known to trampoline.S.
struct trampoline_args {
	// for the report of an exception: top of the stack that is handed over
	uint64_t trampoline_stack;
	uint64_t stack; // stack pointer at entry
	uint64_t entry;
	uint64_t info;                          // a1
	uint64_t move_to, move_from, move_size; // bytes; 0: nothing to move
	uint64_t hart;                          // a0
};

_Static_assert(offsetof(struct trampoline_args, move_to) == 32 &&
		       offsetof(struct trampoline_args, hart) == 56,
	       "trampoline.S");

// What the exception report may use while the loader is whole; the copy in the block has none of
// it.
struct exception_hooks {
	// The function that contains `address`, and how far into it; NULL when unknown.
	const char *(*symbol)(uint64_t address, uint64_t *offset);
};

extern char trampoline_start[], trampoline_end[];
extern char trampoline_enter[]; // the code: called with struct trampoline_args *, does not return
extern struct exception_hooks exception_hooks;
