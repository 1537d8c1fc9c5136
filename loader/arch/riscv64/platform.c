// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "arch/riscv64/platform.h"

#include "arch/riscv64/trampoline.h"
#include "core/selftest.h"
#include "core/symbols.h"
#include "dev/sbi.h"

void *board_map(struct range r)
{
	return r.start <= r.end ? (void *)r.start : NULL;
}

static enum status leave(struct boot *boot)
{
	(void)boot;
	return STATUS_OK;
}

static noreturn void stop(enum status status)
{
	sbi_stop(status_number(status));
}

static const struct platform platform = {
	.map = board_map,
	.leave = leave,
	.write = sbi_write,
	.stop = stop,
	.selftest = SELFTEST,
};

void board_open(void)
{
	sbi_open();
	exception_hooks.symbol = symbol_find;
	boot_open(&platform);
}
