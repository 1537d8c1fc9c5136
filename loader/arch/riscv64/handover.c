// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "arch/riscv64/cpu.h"
#include "arch/riscv64/trampoline.h"
#include "core/boot.h"
#include "core/handover.h"
#include "core/selftest.h"

// Nothing is mapped: kernels build their own tables, and take the block wherever it lies below the
// image.
const struct place_rules arch_place_rules = { 0 };
const bool arch_stack_top = true;

static uint64_t last_size(void)
{
	return align_up((uint64_t)(last_end - last_start), 16);
}

uint64_t arch_code_size(void)
{
	return last_size() + sizeof(struct last_args);
}

uint64_t arch_tables_size(struct range image, uint64_t other)
{
	(void)image;
	(void)other;
	return 0;
}

noreturn void arch_handover(const struct handover *h)
{
	const struct block *block = h->block;
	uint8_t *code = block->at.p + block->code;
	struct last_args *args = (struct last_args *)(void *)(code + last_size());
	bool moved = h->staging.start != h->image.start;

	memcpy(code, last_start, (size_t)(last_end - last_start));
	memset(code + ((char *)&last_hooks - last_start), 0, sizeof last_hooks);
	*args = (struct last_args){
		.own_stack = block->at.base + block->stack + block->stack_size,
		.stack = h->stack,
		.entry = h->entry,
		.info = h->info,
		.move_to = h->image.start,
		.move_from = h->staging.start,
		.move_size = moved ? range_size(h->image) : 0,
		.hart = h->cpu,
	};
	selftest_last(args);
	cpu_fence_i();

	// The copy in the block: the linked one may be about to be written over.
	void (*enter)(const struct last_args *) = (void (*)(const struct last_args *))(
		void *)(code + (last_enter - last_start));
	enter(args);
	__builtin_unreachable();
}
