// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "arch/x86_64/map.h"
#include "arch/x86_64/platform.h"
#include "core/panic.h"
#include "proto/x86/multiboot/multiboot.h"

noreturn void multiboot_start(uint32_t magic, uint32_t info);

noreturn void multiboot_start(uint32_t magic, uint32_t info)
{
	struct boot *boot = platform_open();
	boot->protocol = "multiboot";
	boot->bootinfo_name = "Multiboot information";
	boot->compatible = "hermit,multiboot";
	boot->start_kind = START_MULTIBOOT;
	boot->reach.end = GIB(4); // what the starter left has addresses of 32 bits
	enum status status = multiboot_read(magic, info, map_range, boot);
	if (status != STATUS_OK)
		die(status);
	boot->reach.end = MAP_REACH; // its memory map tells of more
	boot_run(boot);
}
