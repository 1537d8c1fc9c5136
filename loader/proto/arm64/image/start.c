// SPDX-License-Identifier: Apache-2.0 OR MIT
// Started as Linux is on arm64: x0 is where the device tree lies.
#include "arch/aarch64/platform.h"
#include "core/panic.h"
#include "proto/arm64/boot.h"

noreturn void arm64_start(uint64_t x0);

static struct boot boot; // large, and zeroed by entry.S

noreturn void arm64_start(uint64_t x0)
{
	platform_open();
	boot.protocol = "image";
	if (!platform_has_devicetree(x0))
		die(refuse(STATUS_FDT_MISSING, "no device tree at x0 (%#lx)", x0));
	arm64_boot(&boot, x0);
}
