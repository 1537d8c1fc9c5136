// SPDX-License-Identifier: Apache-2.0 OR MIT
// RISC-V SBI: the firmware runs in M-mode and passes hart id and device tree.
#include "arch/riscv64/platform.h"
#include "core/panic.h"
#include "dev/sbi.h"
#include "proto/fdt/fdt_boot.h"

// Upper bound of a device tree's size. The tree gives its own; this one limits a damaged value.
#define TREE_MAX MIB(16)

extern char loader_start[], loader_end[]; // ld/riscv64-sbi.ld
extern char loader_entry[];               // arch/riscv64/entry.S

// From arch/riscv64/entry.S: a0 and a1 at entry. satp is 0, so physical addresses are pointers.
noreturn void sbi_start(uint64_t hart, uint64_t tree_at);

// static: too large for the stack.
static struct boot boot;
static struct devicetree tree;

static enum status reserve(struct range r)
{
	if (range_set_add(&tree.reserved, r) != STATUS_OK)
		return refuse(STATUS_MEMORY_MAP_TOO_LONG,
			      "the device tree reserves more than %u ranges", RANGE_SET_MAX);
	return STATUS_OK;
}

// The firmware occupies the start of RAM, below the loader. Old OpenSBI does not reserve that
// memory in the device tree: if there is no reservation, everything below the loader is reserved.
static enum status reserve_firmware(void)
{
	for (uint32_t i = 0; i < tree.ram.count; i++) {
		struct range r = tree.ram.ranges[i];
		if (!range_inside(boot.loader, r))
			continue;
		r.end = boot.loader.start;
		for (uint32_t k = 0; k < tree.reserved.count; k++)
			if (range_overlaps(tree.reserved.ranges[k], r))
				return STATUS_OK;
		TRY(reserve(r));
	}
	return STATUS_OK;
}

static enum status read_start(uint64_t tree_at)
{
	if (tree_at == 0)
		return refuse(STATUS_FDT_MISSING,
			      "a1 was 0 at entry, not the address of a device tree");
	TRY(devicetree_read((const uint8_t *)tree_at, tree_at, TREE_MAX, &tree));
	sbi_set_finisher(tree.finisher);
	TRY(reserve_firmware());
	// Without HSM the other harts wait in entry.S forever, so that its memory must stay. With
	// HSM they are stopped until the kernel starts them.
	if (!sbi_has_hsm())
		TRY(reserve(boot.loader));
	// OpenSBI before 1.3 can start a hart before it has stored the kernel's address. A hart
	// that has run before and sleeps is not affected (dev/sbi.c).
	sbi_settle_harts(tree.harts, (uint64_t)loader_entry);
	return fdt_boot_read(&tree, map_range, &boot);
}

noreturn void sbi_start(uint64_t hart, uint64_t tree_at)
{
	platform_open();
	boot.target = LOADER_TARGET;
	boot.protocol = "sbi";
	boot.loader = (struct range){ (uint64_t)loader_start, (uint64_t)loader_end };
	boot.mappable = (struct range){ 0, UINT64_MAX };
	boot.elf_target = &elf_target_riscv64;
	boot.cpu = hart;
	enum status status = read_start(tree_at);
	if (status != STATUS_OK)
		die(status);
	boot_run(&boot);
}
