// SPDX-License-Identifier: Apache-2.0 OR MIT
// Started as a plain ELF file, by QEMU's -kernel or U-Boot's bootelf. That protocol does not pass
// the address of the device tree, so known places are searched.
#include "arch/aarch64/platform.h"
#include "core/panic.h"
#include "proto/arm64/boot.h"

// From arch/aarch64/entry.S: x0 and x1 at entry. Some boot loaders pass the device tree in one.
noreturn void arm64_start(uint64_t x0, uint64_t x1);

static struct boot boot; // static: too large for the stack

// QEMU's virt puts the device tree at the start of RAM if -kernel is an ELF file. Any other file
// gets the Linux protocol, which has the address in x0. U-Boot on virt leaves the tree there.
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
