// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Exception vectors, console and end of a PC without firmware services.
#include "arch/x86_64/platform.h"

#include "arch/x86_64/trampoline.h"
#include "core/exception.h"
#include "dev/isa_debug_exit.h"
#include "dev/uart_16550.h"

extern char loader_start[], loader_end[]; // linker script

static struct gate idt[VECTORS];
static struct boot boot; // static: too large for the stack

// No firmware runs here, so there is nothing to leave.
static enum status leave_firmware(struct boot *b, const struct era *era)
{
	(void)b;
	(void)era;
	return STATUS_OK;
}

// A PC has no way to power off that works without ACPI: without an exit device it halts.
static noreturn void stop(enum status status)
{
	isa_debug_exit(status_number(status));
	for (;;)
		cpu_halt();
}

static const struct platform platform = {
	.map = map_range,
	.leave_firmware = leave_firmware,
	.write = uart_16550_write,
	.stop = stop,
	.selftest = SELFTEST,
};

struct boot *platform_open(void)
{
	// Vectors first: everything after this line can fault and report it.
	const struct cpu_table_pointer pointer = { sizeof idt - 1, (uint64_t)idt };
	idt_fill(idt, (uint64_t)exception_vectors);
	exception_hooks.symbol = symbol_find;
	cpu_load_idt(&pointer);
	uart_16550_open();
	boot_init(&platform);
	boot.target = LOADER_TARGET;
	boot.loader = (struct range){ (uint64_t)loader_start, (uint64_t)loader_end };
	boot.mappable = (struct range){ 0, MAP_REACH };
	boot.elf_target = &elf_target_x86_64;
	boot.serial = COM1;
	return &boot;
}
