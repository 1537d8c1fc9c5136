// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "../../arch/x86_64/map.h"
#include "../../arch/x86_64/pc.h"
#include "multiboot.h"

extern char loader_start[], loader_end[]; // base.ld

noreturn void multiboot_c(uint32_t magic, uint32_t info);

static struct boot boot; // zeroed by the starter, and large

noreturn void multiboot_c(uint32_t magic, uint32_t info)
{
	pc_open();
	boot.target = LOADER_TARGET;
	boot.protocol = "multiboot";
	boot.start_name = "Multiboot information";
	boot.compatible = "hermit,multiboot";
	boot.platform = boot.platform_older = HANDED_MULTIBOOT;
	boot.loader = (struct range){ (uint64_t)loader_start, (uint64_t)loader_end };
	boot.reach = (struct range){ 0, GIB(4) }; // of 32-bit addresses
	boot.elf_target = &elf_target_x86_64;
	boot.serial = PC_SERIAL;
	enum status status = multiboot_read(magic, info, map_range, &boot);
	if (status != STATUS_OK)
		die(status);
	boot_run(&boot);
}
