// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// PVH: QEMU -kernel, Firecracker 1.12 and later, Cloud Hypervisor.
#include "arch/x86_64/platform.h"
#include "core/panic.h"
#include "proto/x86/protocol.h"

// From entry.asm: EBX at entry.
noreturn void pvh_start(uint32_t info);

noreturn void pvh_start(uint32_t info)
{
	struct boot *boot = platform_open();
	boot->protocol = "pvh";
	boot->start_info_name = "PVH start information";
	boot->compatible = "hermit,pvh";
	boot->start_kind = START_PVH;
	boot->edit_cmdline = pvh_edit_cmdline;
	enum status status = pvh_read(info, map_range, boot);
	if (status != STATUS_OK)
		die(status);
	boot_run(boot);
}
