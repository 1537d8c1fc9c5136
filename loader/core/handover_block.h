// SPDX-License-Identifier: Apache-2.0 OR MIT
// The hand-over block: everything that the kernel receives except the image, in one range of
// memory below it. In this order: stack, page tables, boot info, Multiboot information (x86_64),
// command line, ACPI RSDP, SEV-SNP blob, Linux zero page, device tree, trampoline.
//
// The kernel uses the block as long as it runs, so it must not refer to other memory of the loader.
#pragma once

#include "core/boot.h"
#include "core/era/era.h"

struct handover_block_inputs {
	const struct boot *boot;
	const struct era *era;
	const struct elf_image *elf;
	struct range image;
};

// Returns the range of RAM that the image should be in, or an empty range if any will do. Kernels
// up to 0.11 that boot with a firmware's device tree use only the range that contains the image.
// Under UEFI, so do those that sum up the ends of regions.
struct range handover_preferred_ram(const struct handover_block_inputs *inputs);

// Computes offsets and sizes. `out->window` stays unset: the size decides the address.
void handover_block_layout(const struct handover_block_inputs *inputs, struct handover_block *out);

// Writes everything except page tables and trampoline. `block->window` maps block->size bytes. Runs
// again if platform->leave_firmware may have changed the memory map.
void handover_block_write(const struct handover_block_inputs *inputs, struct handover_block *block);
