// SPDX-License-Identifier: Apache-2.0 OR MIT
// The hand-over block: everything that the kernel receives except the image, in one range of
// memory below it. In this order: stack, page tables, boot info, Multiboot information (x86_64),
// command line, ACPI RSDP, SEV-SNP blob, Linux zero page, device tree, trampoline.
//
// The kernel uses the block as long as it runs, so nothing in it points to memory of the loader
// outside of it. The copies of RSDP, blob and zero page are unchanged: they point to memory of
// firmware or VMM.
#pragma once

#include "core/boot.h"
#include "core/era/era.h"

struct handover_block_inputs {
	const struct boot *boot;
	const struct era *era;
	const struct elf_image *elf;
	struct range image;
};

// Returns the range of RAM that the image should be in, or an empty range if any will do. Some
// kernels use only the range that contains the image: those up to 0.11 with a firmware's device
// tree, and those that get one region only (era.sums_region_ends under UEFI).
struct range handover_preferred_ram(const struct handover_block_inputs *inputs);

// Computes offsets and sizes. `out->window` stays unset: the address depends on the size.
void handover_block_layout(const struct handover_block_inputs *inputs, struct handover_block *out);

// Writes everything except page tables and trampoline. `block->window` has block->size bytes. May
// run again, with the memory map that platform->leave_firmware has left.
void handover_block_write(const struct handover_block_inputs *inputs, struct handover_block *block);
