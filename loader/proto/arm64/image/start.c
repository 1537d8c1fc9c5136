// SPDX-License-Identifier: Apache-2.0 OR MIT
// Started as a Linux arm64 Image (Documentation/arch/arm64/booting.rst): x0 is the physical address
// of the device tree.
#include "arch/aarch64/platform.h"
#include "core/panic.h"
#include "proto/arm64/boot.h"

// From arch/aarch64/entry.S.
noreturn void arm64_start(uint64_t x0);

static struct boot boot; // static: too large for the stack

noreturn void arm64_start(uint64_t x0)
{
	platform_open();
	boot.protocol = "image";
	if (!platform_has_devicetree(x0))
		die(refuse(STATUS_FDT_MISSING, "no device tree at x0 (%#lx)", x0));
	arm64_boot(&boot, x0);
}
