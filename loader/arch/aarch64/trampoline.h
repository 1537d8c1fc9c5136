// SPDX-License-Identifier: Apache-2.0 OR MIT
// The trampoline hands the CPU to the application. It runs from a copy in the hand-over block,
// because the kernel's page tables do not map the loader and the image may overwrite it. It
// contains the exception vectors and the end of the machine as well; until the hand-over these run
// where they were linked.
//
// Everything between trampoline_start and trampoline_end is position-independent and calls nothing
// outside.
#pragma once

#include "core/handover.h"

// VBAR_EL1 requires vectors at a multiple of 2 KiB. They are at the start of the trampoline.
#define TRAMPOLINE_ALIGN UINT64_C(2048)

// trampoline.S uses the offsets. Addresses are physical.
struct trampoline_args {
	// Stack of the trampoline itself: the top of the application's stack, which is unused yet.
	uint64_t trampoline_stack;
	uint64_t root; // value of TTBR0_EL1
	uint64_t tcr, sctlr;
	// Copy of the loader's top table, which the move does not overwrite.
	uint64_t copy_root;
	// From the staging copy to the image, which do not overlap. Bytes; 0: nothing to move.
	uint64_t move_to, move_from, move_size;
	uint64_t image_start, image_end;
	uint64_t block_start, block_end;
	uint64_t el2;   // platform_el2_present()
	uint64_t stack; // stack pointer at entry
	uint64_t entry;
	uint64_t info;  // x0
	uint64_t touch; // self-test: address to read by the kernel's page tables; 0: none
};

_Static_assert(offsetof(struct trampoline_args, copy_root) == 32 &&
		       offsetof(struct trampoline_args, image_start) == 64 &&
		       offsetof(struct trampoline_args, el2) == 96 &&
		       offsetof(struct trampoline_args, touch) == 128,
	       "trampoline.S");

enum psci_conduit { PSCI_NONE, PSCI_HVC, PSCI_SMC };

// What the exception report and the end of the machine need to know. The copy has values of its
// own.
struct exception_hooks {
	// Returns the name of the function at `address`, and the offset in it. NULL: unknown. The
	// pointer itself is NULL in the copy.
	const char *(*symbol)(uint64_t address, uint64_t *offset);
	uint32_t uart;          // enum uart_kind
	uint32_t psci;          // enum psci_conduit
	uint64_t uart_at;       // by the loader's page tables
	uint64_t uart_physical; // with the MMU off
	uint64_t uart_kernel;   // by the kernel's page tables; 0: not mapped
	uint64_t root;          // TTBR0_EL1 of the kernel's page tables
};

extern char exception_vectors[];
extern char trampoline_enter[]; // code: takes a struct trampoline_args *, does not return
extern struct exception_hooks exception_hooks;

// Ends the machine: by semihosting, which passes `number` to the host, else by PSCI SYSTEM_OFF,
// else by halting this CPU.
noreturn void platform_exit(uint64_t number);

// Reads 32 bits at `at`, in the order of memory. 0 if the read raises an exception.
uint32_t probe_read32(uint64_t at);
