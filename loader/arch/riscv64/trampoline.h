// SPDX-License-Identifier: Apache-2.0 OR MIT
// The trampoline hands the CPU to the application. It runs from a copy in the hand-over block,
// because the image may overwrite the loader. It contains the exception vector as well; until the
// hand-over that runs where it was linked.
//
// Everything between trampoline_start and trampoline_end (ld/trampoline-sections.ld) is
// position-independent and calls nothing outside.
#pragma once

#include "core/handover.h"

// trampoline.S uses the offsets.
struct trampoline_args {
	// Stack of the exception report: the top of the application's stack, which is unused yet.
	uint64_t trampoline_stack;
	uint64_t stack; // stack pointer at entry
	uint64_t entry;
	uint64_t info; // a1
	// From the staging copy to the image, which do not overlap. Bytes; 0: nothing to move.
	uint64_t move_to, move_from, move_size;
	uint64_t hart; // a0
};

_Static_assert(offsetof(struct trampoline_args, info) == 24 &&
		       offsetof(struct trampoline_args, move_to) == 32 &&
		       offsetof(struct trampoline_args, hart) == 56,
	       "trampoline.S");

// Functions of the loader that the exception report uses. All are NULL in the copy, which must not
// call the loader.
struct exception_hooks {
	// Returns the name of the function at `address`, and the offset in it. NULL: unknown.
	const char *(*symbol)(uint64_t address, uint64_t *offset);
};

extern char trampoline_enter[]; // code: takes a struct trampoline_args *, does not return
extern struct exception_hooks exception_hooks;
