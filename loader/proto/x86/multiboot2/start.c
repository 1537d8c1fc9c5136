// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Multiboot 2: GRUB's commands multiboot2 and module2.
#include "arch/x86_64/platform.h"
#include "core/panic.h"
#include "proto/x86/protocol.h"

// From header.asm: EAX and EBX at entry.
noreturn void multiboot2_start(uint32_t magic, uint32_t info);

noreturn void multiboot2_start(uint32_t magic, uint32_t info)
{
	struct boot *boot = platform_open();
	boot->protocol = "multiboot2";
	boot->start_info_name = "Multiboot2 information";
	// Kernels know Multiboot 1 only, and get information of that kind, which the core writes.
	boot->compatible = "hermit,multiboot";
	boot->start_kind = START_MULTIBOOT;
	// Addresses of the information and of modules have 32 bits.
	boot->mappable.end = GIB(4);
	enum status status = multiboot2_read(magic, info, map_range, boot);
	if (status != STATUS_OK)
		die(status);
	// The ranges of its memory map have 64 bits: image and block may be above 4 GiB.
	boot->mappable.end = MAP_REACH;
	boot_run(boot);
}
