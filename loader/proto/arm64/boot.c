// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// From a device tree at a known address to the boot. The MMU is on, by the loader's page tables.
#include "proto/arm64/boot.h"

#include "arch/aarch64/map.h"
#include "arch/aarch64/platform.h"
#include "core/panic.h"
#include "proto/fdt/fdt_boot.h"

extern char loader_start[], loader_end[]; // linker script

noreturn void arm64_boot(struct boot *boot, uint64_t at)
{
	boot->target = LOADER_TARGET;
	boot->loader = (struct range){ (uint64_t)loader_start, (uint64_t)loader_end };
	boot->mappable = (struct range){ 0, MAP_REACH };
	const uint8_t *bytes = map_range((struct range){ at, at + FDT_SIZE_MAX });
	if (bytes == NULL)
		die(refuse(STATUS_FDT_MISSING,
			   "the device tree at %#lx is out of the loader's reach", at));
	enum status status = platform_read_devicetree(bytes, at, boot);
	if (status != STATUS_OK)
		die(status);
	// Before the rest is read, so that its refusals appear on the console that the tree names.
	platform_open_console(boot->devicetree);
	status = fdt_boot_read(boot->devicetree, map_range, boot);
	if (status != STATUS_OK)
		die(status);
	boot_run(boot);
}
