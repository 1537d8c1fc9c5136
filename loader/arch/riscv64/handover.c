// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Hand-over on riscv64: copies the trampoline and its arguments into the block, then enters the
// copy. The kernel starts without address translation.
#include "arch/riscv64/trampoline.h"
#include "core/boot.h"
#include "core/exception.h"
#include "core/handover.h"

// No page tables, so no rules: kernels build their own and accept the block anywhere below the
// image.
const struct place_rules arch_place_rules = { 0 };
const uint64_t arch_stack_at_entry = STACK_SIZE;

uint64_t arch_trampoline_capacity(void)
{
	return trampoline_code_size() + sizeof(struct trampoline_args);
}

uint64_t arch_tables_size(struct range image, uint64_t rest_of_block)
{
	(void)image;
	(void)rest_of_block;
	return 0;
}

noreturn void arch_handover(const struct handover *h)
{
	const struct handover_block *block = h->block;
	uint8_t *code = block->window.p + block->trampoline;
	struct trampoline_args *args = (struct trampoline_args *)(void *)(code +
									  trampoline_code_size());
	bool moved = h->staging.start != h->image.start;

	memcpy(code, trampoline_start, trampoline_code_size());
	memset(code + trampoline_offset(&exception_hooks), 0, sizeof exception_hooks);
	*args = (struct trampoline_args){
		.trampoline_stack = block->window.base + block->stack + STACK_SIZE,
		.stack = h->stack,
		.entry = h->entry,
		.info = h->info,
		.move_to = h->image.start,
		.move_from = h->staging.start,
		.move_size = moved ? range_size(h->image) : 0,
		.hart = h->cpu,
	};
	selftest_trampoline(args);
	// Make the stores above visible to instruction fetches (Zifencei).
	__asm__ volatile("fence.i" : : : "memory");

	// Enter the copy: the image may overwrite the linked one.
	void (*enter)(const struct trampoline_args *) = (void (*)(const struct trampoline_args *))(
		void *)(code + trampoline_offset(trampoline_enter));
	enter(args);
	__builtin_unreachable();
}
