// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The 64-bit Linux entry: Firecracker.
#include "arch/x86_64/platform.h"
#include "core/panic.h"
#include "proto/x86/protocol.h"

// From entry.asm: both halves of RSI at entry.
noreturn void linux64_start(uint32_t params_low, uint32_t params_high);

noreturn void linux64_start(uint32_t params_low, uint32_t params_high)
{
	struct boot *boot = platform_open();
	boot->protocol = "linux64";
	boot->start_info_name = "boot parameters";
	boot->compatible = "hermit,linux";
	boot->start_kind = START_LINUX;
	enum status status = linux64_read((uint64_t)params_high << 32 | params_low, map_range,
					  boot);
	if (status != STATUS_OK)
		die(status);
	boot_run(boot);
}
