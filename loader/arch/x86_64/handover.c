// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Hand-over on x86_64: fills page tables, trampoline and its arguments in the block, then enters
// the copy.
#include "arch/x86_64/paging.h"
#include "arch/x86_64/trampoline.h"
#include "core/boot.h"
#include "core/exception.h"

// Intel SDM volume 3, 64-Bit Mode IDT: the address is in bits 0 to 15 and 48 to 63 of the low
// half, and in the high half. Interrupt gates clear IF, IST is 0.
void idt_fill(struct gate idt[VECTORS], uint64_t stubs)
{
	const uint64_t present_interrupt_gate = 0x8e00, code_selector = 0x08;
	for (unsigned i = 0; i < VECTORS; i++, stubs += VECTOR_STUB_SIZE) {
		idt[i].low = (stubs & 0xffff) | code_selector << 16 | present_interrupt_gate << 32 |
			     (stubs & 0xffff0000) << 32;
		idt[i].high = stubs >> 32;
	}
}

uint64_t arch_trampoline_capacity(void)
{
	return trampoline_code_size() + sizeof(struct trampoline_args);
}

uint64_t arch_tables_size(struct range image, uint64_t rest_of_block)
{
	(void)rest_of_block; // one page table maps a block of any size
	return paging_size(image);
}

const uint64_t arch_stack_at_entry = 8;

noreturn void arch_handover(const struct handover *h)
{
	const struct handover_block *block = h->block;
	uint8_t *code = block->window.p + block->trampoline;
	uint64_t code_at = block->window.base + block->trampoline;
	struct trampoline_args *args = (struct trampoline_args *)(void *)(code +
									  trampoline_code_size());
	struct staging_entries entries = paging_hand_over(h);

	*args = (struct trampoline_args){
		.root = block->window.base + block->tables,
		.trampoline_stack = block->window.base + block->stack + STACK_SIZE,
		.stack = h->stack,
		.entry = h->entry,
		.args = { h->info, h->cpu },
		.move_to = h->image.start,
		.move_from = h->staging.start,
		.move_size = entries.count != 0 ? range_size(h->image) : 0,
		.unmap_at = entries.at,
		.unmap_count = entries.count,
		.gdt_pointer = { sizeof args->gdt - 1, (uint64_t)args->gdt },
		.idt_pointer = { sizeof args->idt - 1, (uint64_t)args->idt },
		// Null, 64-bit code (8), data (16): flat, ring 0, accessed. The CPU would write
		// the accessed bit otherwise.
		.gdt = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff },
	};
	memcpy(code, trampoline_start, trampoline_code_size());
	memset(code + trampoline_offset(&exception_hooks), 0, sizeof exception_hooks);
	idt_fill(args->idt, code_at + trampoline_offset(exception_vectors));
	selftest_trampoline(args);

	// Enter the copy: the kernel's page tables do not map the linked one.
	void (*enter)(const struct trampoline_args *) = (void (*)(const struct trampoline_args *))(
		code_at + trampoline_offset(trampoline_enter));
	enter(args);
	__builtin_unreachable();
}
