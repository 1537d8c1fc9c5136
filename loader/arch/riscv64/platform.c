// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Console, exception hooks and end of a riscv64 machine: all by SBI calls. Without address
// translation there is nothing to map.
#include "arch/riscv64/platform.h"

#include "arch/riscv64/trampoline.h"
#include "core/exception.h"
#include "dev/sbi.h"

void *map_range(struct range r)
{
	// Address 0 is NULL, where C has no object.
	return r.start <= r.end ? (void *)r.start : NULL;
}

// The firmware stays below in M-mode, so there is nothing to leave.
static enum status leave_firmware(struct boot *boot, const struct era *era)
{
	(void)boot;
	(void)era;
	return STATUS_OK;
}

static noreturn void stop(enum status status)
{
	sbi_shutdown(status_number(status));
}

static const struct platform platform = {
	.map = map_range,
	.leave_firmware = leave_firmware,
	.write = sbi_write,
	.stop = stop,
	.selftest = SELFTEST,
};

void platform_open(void)
{
	sbi_open();
	exception_hooks.symbol = symbol_find;
	boot_init(&platform);
}
