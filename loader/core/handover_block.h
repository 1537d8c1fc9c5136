// SPDX-License-Identifier: Apache-2.0 OR MIT
// Everything that is handed over but the image, in one piece of memory: stack, page tables, boot
// information, command line, Multiboot information (x86_64), ACPI root pointer, SEV-SNP's blob,
// zero page (Linux entry), device tree, trampoline. In this order.
#pragma once

#include "core/boot.h"
#include "core/era/era.h"

// What goes in, as far as it decides sizes.
struct handover_block_content {
	const struct boot *boot;
	const struct era *era;
	const struct elf_image *elf;
	struct range image;
};

// The piece of RAM in which the image should lie, since kernels up to 0.11 take the one that holds
// it for all there is (those of machines with a firmware's tree). Empty: all are equal.
struct range handover_preferred_ram(const struct boot *boot);

// Offsets and size; `at` is not set.
void handover_block_layout(const struct handover_block_content *content,
			   struct handover_block *out);

// Writes all but tables and trampoline. `block->at` is set, and shows at least block->size bytes.
// May be called again when the memory map has changed.
void handover_block_write(const struct handover_block_content *content,
			  struct handover_block *block);
