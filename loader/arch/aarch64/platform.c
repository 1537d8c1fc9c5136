// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Console, exception hooks and end of an aarch64 machine. Before the device tree has been read the
// console is a guess, and output is stored.
#include "arch/aarch64/platform.h"

#include "arch/aarch64/map.h"
#include "arch/aarch64/paging.h"
#include "arch/aarch64/trampoline.h"
#include "core/exception.h"
#include "dev/uart.h"

extern uint8_t el2_present; // entry.S

// The UART of QEMU virt, for messages before a device tree has been read. Another machine may
// have nothing there: then the messages are lost.
#define PL011_QEMU_VIRT UINT64_C(0x09000000)

// Output before the console is known. The rest is dropped if it is full.
static char early_log[1024];
static size_t early_log_size;
// Until then platform_write() stores output in early_log.
static bool uart_selected;

static struct devicetree tree;

static void select_uart(enum uart_kind uart, uint64_t at, uint64_t physical)
{
	exception_hooks.uart = uart;
	exception_hooks.uart_at = at;
	exception_hooks.uart_physical = physical;
	uart_selected = true;
	uart_open(uart, at);
}

void platform_write(const char *text, size_t n)
{
	if (!uart_selected) {
		for (size_t i = 0; i < n && early_log_size < sizeof early_log; i++)
			early_log[early_log_size++] = text[i];
	} else {
		for (size_t i = 0; i < n; i++)
			uart_put((enum uart_kind)exception_hooks.uart, exception_hooks.uart_at,
				 text[i]);
	}
}

static void select_default_uart(void)
{
	select_uart(UART_PL011, map_device_early(PL011_QEMU_VIRT), PL011_QEMU_VIRT);
	platform_write(early_log, early_log_size);
}

static noreturn void stop(enum status status)
{
	if (!uart_selected)
		select_default_uart();
	platform_exit(status_number(status));
}

// No firmware runs at this level, so there is nothing to leave.
static enum status leave_firmware(struct boot *boot, const struct era *era)
{
	(void)boot;
	(void)era;
	return STATUS_OK;
}

static const struct platform platform = {
	.map = map_range,
	.leave_firmware = leave_firmware,
	.write = platform_write,
	.stop = stop,
	.selftest = SELFTEST,
};

// Console for exceptions before the device tree has been read.
static void open_hooks(void)
{
	exception_hooks.uart = UART_PL011;
	exception_hooks.uart_at = map_device_early(PL011_QEMU_VIRT);
	exception_hooks.uart_physical = PL011_QEMU_VIRT;
	exception_hooks.symbol = symbol_find;
}

void platform_open(void)
{
	map_open();
	open_hooks();
	boot_init(&platform);
}

void platform_take_over(void)
{
	map_take_over();
	open_hooks();
}

void platform_open_console(const struct devicetree *t)
{
	if (t->psci)
		exception_hooks.psci = t->psci_smc ? PSCI_SMC : PSCI_HVC;
	select_uart(t->uart, map_device(t->uart_at), t->uart_at);
	platform_write(early_log, early_log_size);
}

uint64_t platform_el2_present(void)
{
	return el2_present;
}

bool platform_has_devicetree(uint64_t at)
{
	if (at == 0 || at % 8 != 0 || map_range((struct range){ at, at + 8 }) == NULL)
		return false;
	// A guess may point anywhere: the read may raise an external abort.
	uint32_t magic = probe_read32(at);
	return load_u32((const uint8_t *)&magic, ORDER_BIG) == FDT_MAGIC;
}

enum status platform_read_devicetree(const uint8_t *bytes, uint64_t at, struct boot *boot)
{
	boot->elf_target = ORDER_NATIVE == ORDER_BIG ? &elf_target_aarch64_be : &elf_target_aarch64;
	TRY(devicetree_read(bytes, at, FDT_SIZE_MAX, &tree));
	boot->devicetree = &tree;
	// The kernel has a driver for the PL011 only.
	boot->serial = tree.uart == UART_PL011 ? UART_VIRTUAL : 0;
	return STATUS_OK;
}
