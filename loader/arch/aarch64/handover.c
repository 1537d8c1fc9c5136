// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Hand-over on aarch64: fills page tables, trampoline and its arguments in the block, then enters
// the copy.
#include "arch/aarch64/cpu.h"
#include "arch/aarch64/map.h"
#include "arch/aarch64/paging.h"
#include "arch/aarch64/platform.h"
#include "arch/aarch64/trampoline.h"
#include "core/exception.h"
#include "core/panic.h"

// TCR_EL1 for the kernel: T0SZ and T1SZ 16 (48-bit addresses), 4 KiB granule, walks write-back
// cacheable and inner shareable, for both halves.
#define TCR_HANDOVER (UINT64_C(0x3510) | UINT64_C(0xb510) << 16)
// SCTLR_EL1 for the kernel: M, C, SA, SA0, I, DZE, UCT, nTWI, nTWE, UCI.
#define SCTLR_HANDOVER UINT64_C(0x0405d01d)

const struct place_rules arch_place_rules = {
	// If RAM starts at 0, neither the block nor the page below it, where a stack overflow must
	// fault, may be the UART's virtual page.
	.excluded = { { 0, UART_VIRTUAL + 2 * PAGE_SIZE } },
	// Kernels up to 0.11 panic if the boot info has RAM above 4 GiB.
	.reported_ram_limit = GIB(4),
	.image_page_size = PAGE_SIZE,
};
const uint64_t arch_stack_at_entry = 0;

uint64_t arch_trampoline_capacity(void)
{
	// The block aligns its parts to less than TRAMPOLINE_ALIGN, so the copy may start later
	// than the trampoline's part.
	return TRAMPOLINE_ALIGN - 1 + trampoline_code_size() + sizeof(struct trampoline_args);
}

uint64_t arch_tables_size(struct range image, uint64_t rest_of_block)
{
	return tables_bound(image, rest_of_block);
}

// struct paging_plan from the hand-over.
static void build_tables(const struct handover *h)
{
	const struct handover_block *block = h->block;
	struct window tables = { block->window.p + block->tables,
				 block->window.base + block->tables, block->tables_size };
	const struct paging_plan plan = {
		.shape = h->shape,
		.block = { block->window.base, block->window.base + block->size },
		.image = h->image,
		.uart = h->uart,
	};
	tables_build(tables, &plan);
}

// Hooks of the copy. It must not call the loader, and finds the console by the kernel's page tables
// if TTBR0_EL1 has their root.
static void fill_hooks(const struct handover *h, struct exception_hooks *hooks)
{
	hooks->symbol = NULL;
	hooks->root = h->block->window.base + h->block->tables;
	hooks->uart_kernel = h->uart != 0 ? UART_VIRTUAL + h->uart % PAGE_SIZE : 0;
}

noreturn void arch_handover(const struct handover *h)
{
	const struct handover_block *block = h->block;
	uint64_t code_at = align_up(block->window.base + block->trampoline, TRAMPOLINE_ALIGN);
	uint8_t *code = block->window.p + (code_at - block->window.base);
	struct trampoline_args *args = (struct trampoline_args *)(void *)(code +
									  trampoline_code_size());
	struct range image = h->image,
		     whole = { block->window.base, block->window.base + block->size };
	uint64_t stack = block->window.base + block->stack;
	uint64_t physical_bits = cpu_read(id_aa64mmfr0_el1) & 15;

	build_tables(h);
	*args = (struct trampoline_args){
		.trampoline_stack = stack + STACK_SIZE,
		.root = block->window.base + block->tables,
		.tcr = TCR_HANDOVER | physical_bits << 32,
		.sctlr = SCTLR_HANDOVER | SCTLR_ENDIAN,
		.copy_root = stack,
		.move_to = image.start,
		.move_from = h->staging.start,
		.move_size = h->staging.start != image.start ? range_size(image) : 0,
		.image_start = image.start,
		.image_end = image.end,
		.block_start = whole.start,
		.block_end = whole.end,
		.el2 = platform_el2_present(),
		.stack = h->stack,
		.entry = h->entry,
		.info = h->info,
	};
	// The low end of the application's stack is unused until its entry. It holds the copy of
	// the loader's top table, because the move may overwrite the original.
	ASSERT(stack % PAGE_SIZE == 0 && STACK_SIZE >= 2 * PAGE_SIZE);
	if (args->move_size != 0)
		memcpy(block->window.p + block->stack, map_root(), PAGE_SIZE);
	memcpy(code, trampoline_start, trampoline_code_size());
	fill_hooks(h,
		   (struct exception_hooks *)(void *)(code + trampoline_offset(&exception_hooks)));
	selftest_trampoline(args);
	// The trampoline turns caches off, and fetches instructions from here.
	cache_clean(whole);

	// Enter the copy: the kernel's page tables do not map the linked one.
	void (*enter)(const struct trampoline_args *) = (void (*)(const struct trampoline_args *))(
		code_at + trampoline_offset(trampoline_enter));
	enter(args);
	__builtin_unreachable();
}
