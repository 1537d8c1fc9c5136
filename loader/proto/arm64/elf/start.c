// SPDX-License-Identifier: Apache-2.0 OR MIT
// Started as a plain ELF file (QEMU's -kernel, U-Boot's bootelf): nothing says where the device
// tree is.
#include "arch/aarch64/platform.h"
#include "core/panic.h"
#include "proto/arm64/boot.h"

noreturn void arm64_start(uint64_t x0, uint64_t x1);

static struct boot boot; // large, and zeroed by entry.S

// Where QEMU's virt puts the tree for a kernel that is not Linux, at the start of RAM; and U-Boot
// there leaves it.
#define DEVICETREE_QEMU_VIRT UINT64_C(0x40000000)

noreturn void arm64_start(uint64_t x0, uint64_t x1)
{
	const uint64_t places[] = { x0, x1, DEVICETREE_QEMU_VIRT };
	platform_open();
	boot.protocol = "elf";
	for (size_t i = 0; i < countof(places); i++)
		if (platform_has_devicetree(places[i]))
			arm64_boot(&boot, places[i]);
	die(refuse(STATUS_FDT_MISSING, "no device tree at x0 (%#lx), x1 (%#lx) or %#lx", x0, x1,
		   DEVICETREE_QEMU_VIRT));
}
