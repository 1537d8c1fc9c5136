// SPDX-License-Identifier: Apache-2.0 OR MIT
// The trampoline: it runs from a copy in the block, since everything else of the loader is neither
// mapped nor, perhaps, there any more when the application gets the CPU. It also holds the
// exception vectors and the machine's end, which serve the loader itself where they were linked.
//
// Everything between trampoline_start and trampoline_end is position-independent and calls nothing
// outside. The copy lies at a multiple of TRAMPOLINE_ALIGN.
#pragma once

#include "core/base.h"

#define TRAMPOLINE_ALIGN UINT64_C(2048)

// Offsets are known to trampoline.S. Addresses are physical.
struct trampoline_args {
	// while the trampoline runs: top of the stack that is handed over
	uint64_t trampoline_stack;
	uint64_t root; // of the page tables
	uint64_t tcr, sctlr;
	// copy of the loader's own top table, in a place that the move leaves alone
	uint64_t copy_root;
	uint64_t move_to, move_from, move_size; // bytes; 0: nothing to move
	uint64_t image_start, image_end;
	uint64_t block_start, block_end;
	uint64_t el2;   // 1: there is an EL2 above us, whose vectors are ours
	uint64_t stack; // stack pointer at entry
	uint64_t entry;
	uint64_t info;
	uint64_t touch; // read by the new tables; 0: nothing
};

_Static_assert(offsetof(struct trampoline_args, copy_root) == 32 &&
		       offsetof(struct trampoline_args, image_start) == 64 &&
		       offsetof(struct trampoline_args, el2) == 96 &&
		       offsetof(struct trampoline_args, touch) == 128,
	       "trampoline.S");

enum last_uart { LAST_UART_NONE, LAST_UART_PL011, LAST_UART_CADENCE };
enum psci_conduit { PSCI_NONE, PSCI_HVC, PSCI_SMC };

// What the exception report and the end of the machine stand on.
struct exception_hooks {
	// The function that contains `address`, and how far into it; NULL when unknown, as in the
	// copy.
	const char *(*symbol)(uint64_t address, uint64_t *offset);
	uint32_t uart;          // enum last_uart
	uint32_t psci;          // enum psci_conduit
	uint64_t uart_at;       // by the loader's own tables
	uint64_t uart_physical; // without any
	uint64_t uart_kernel;   // by those that are handed over; 0: not mapped
	uint64_t root;          // of those
};

extern char trampoline_start[], trampoline_end[], exception_vectors[];
extern char trampoline_enter[]; // the code: called with struct trampoline_args *, does not return
extern struct exception_hooks exception_hooks;

// Tells the world the status number, ends the machine.
noreturn void platform_exit(uint64_t number);

// The 32 bits at `at` as they lie in memory; 0 where reading is answered by an exception.
uint32_t probe_read32(uint64_t at);
