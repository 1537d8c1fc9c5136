// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "arch/x86_64/trampoline.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/selftest.h"
#include "core/symbols.h"
#include "core/text.h"
#include "dev/isa_debug_exit.h"
#include "dev/uart_16550.h"
#include "proto/uefi/firmware.h"
#include "proto/uefi/machine.h"

#define FIRMWARE_VECTORS 256

// Where a PC's BIOS leaves the segment of its extended data area, whose first KiB kernels before
// 0.10 search for ACPI's root pointer: they have no other way to it. UEFI has no such area.
enum { EBDA_POINTER = 0x40e, EBDA_SIZE = 0x400, EBDA_LIMIT = 0xa0000 };

const uint64_t machine_reach = GIB(512); // one entry of the top table

static void *ebda; // a page of its own, since these kernels map it themselves

#define TABLE_FRAME UINT64_C(0xffffffffff000) // the address in CR3 or in an entry
enum { CR4_LA57 = 1 << 12 };

extern char levels_start[], levels_end[]; // levels.asm
typedef void levels_function(uint64_t cr3, uint64_t cr4);
static levels_function *switch_levels; // its copy

static struct cpu_table_pointer firmware_idt;
static struct gate idt[FIRMWARE_VECTORS];

// The firmware may map our code read-only and our data not executable, while the trampoline is one
// piece of both: it runs from a copy. Vectors that are no exceptions of ours stay the firmware's,
// which needs its timer.
static enum status install_exception_handlers(void)
{
	size_t size = (size_t)(trampoline_end - trampoline_start);
	uint8_t *copy = firmware_allocate(size, EFI_LOADER_CODE);
	struct exception_hooks hooks = { symbol_find };
	uint16_t code_selector;
	if (copy == NULL)
		return refuse(STATUS_FIRMWARE_REFUSED, "no %#lx bytes for the exception handlers",
			      size);
	memcpy(copy, trampoline_start, size);
	memcpy(copy + ((char *)&exception_hooks - trampoline_start), &hooks, sizeof hooks);

	__asm__ volatile("sidt %0" : "=m"(firmware_idt));
	__asm__ volatile("mov %%cs, %0" : "=r"(code_selector));
	size_t known = (firmware_idt.limit + 1UL) / sizeof(struct gate);
	if (known > FIRMWARE_VECTORS)
		known = FIRMWARE_VECTORS;
	struct gate ours[VECTORS];
	memcpy(idt, (const void *)firmware_idt.base, known * sizeof(struct gate));
	idt_fill(ours, (uint64_t)(copy + (exception_vectors - trampoline_start)));
	for (unsigned i = 0; i < VECTORS; i++) {
		idt[i].low = (ours[i].low & ~(UINT64_C(0xffff) << 16)) | (uint64_t)code_selector
										 << 16;
		idt[i].high = ours[i].high;
	}
	const struct cpu_table_pointer pointer = { sizeof idt - 1, (uint64_t)idt };
	cpu_load_idt(&pointer);
	return STATUS_OK;
}

// Copies the switch to where it can run.
static enum status copy_levels_switch(void)
{
	size_t size = (size_t)(levels_end - levels_start);
	void *copy = firmware_allocate_below(GIB(4), size, EFI_LOADER_CODE);
	if (copy == NULL)
		return refuse(STATUS_FIRMWARE_REFUSED,
			      "no %#lx bytes below 4 GiB to switch page tables from", size);
	memcpy(copy, levels_start, size);
	switch_levels = (levels_function *)copy;
	return STATUS_OK;
}

// The table of four levels that the first entry of the one of five leads to maps the first 256 TiB
// in the same way.
static uint64_t four_levels(void)
{
	return *(const uint64_t *)(cpu_cr3() & TABLE_FRAME) & TABLE_FRAME;
}

enum status machine_open(struct boot *boot)
{
	boot->elf_target = &elf_target_x86_64;
	boot->serial = COM1;
	if ((cpu_cr4() & CR4_LA57) != 0) {
		if (four_levels() >= GIB(4))
			return refuse(STATUS_START_STATE,
				      "the firmware's page tables of five levels lie at %#lx, they "
				      "can be left below 4 GiB only",
				      four_levels());
		TRY(copy_levels_switch());
	}
	if (boot->rsdp.n != 0 && boot->rsdp.n <= EBDA_SIZE)
		ebda = firmware_allocate_below(EBDA_LIMIT, EBDA_SIZE, EFI_LOADER_DATA);
	return install_exception_handlers();
}

// Firmware may leave page 0 unmapped, to catch null pointers.
static bool page_0_is_mapped(void)
{
	enum { PRESENT = 1, LARGE = 1 << 7 };
	uint64_t entry = cpu_cr3() | PRESENT;
	for (unsigned level = 0; level < 4; level++) {
		entry = *(const uint64_t *)(entry & TABLE_FRAME);
		if ((entry & PRESENT) == 0)
			return false;
		if (level != 0 && (entry & LARGE) != 0)
			return true;
	}
	return true;
}

// The one write outside of what was allocated: into page 0, once nobody owns it, and for old
// kernels alone.
static void write_ebda_rsdp(const struct boot *boot)
{
	if (boot->platform_tag != PLATFORM_TAG_MULTIBOOT || ebda == NULL ||
	    !range_set_contains(&boot->ram, (struct range){ 0, PAGE_SIZE }) || !page_0_is_mapped())
		return;
	uint16_t segment = (uint16_t)((uint64_t)ebda >> 4);
	memset(ebda, 0, EBDA_SIZE);
	memcpy(ebda, boot->rsdp.p, boot->rsdp.n);
	cpu_set_cr0(cpu_cr0() & ~(UINT64_C(1) << 16)); // write protection
	__asm__ volatile("movw %0, (%1)" : : "r"(segment), "r"((uint64_t)EBDA_POINTER) : "memory");
}

void machine_close(void)
{
	if (firmware_idt.base != 0)
		cpu_load_idt(&firmware_idt);
}

void machine_take_over(const struct boot *boot)
{
	__asm__ volatile("cli");
	uart_16550_open();
	if ((cpu_cr4() & CR4_LA57) != 0) {
		log_line(LOG_DEBUG, "Leaving page tables of five levels");
		switch_levels(four_levels(), cpu_cr4() & ~(uint64_t)CR4_LA57);
	}
	write_ebda_rsdp(boot);
}

void machine_write(const char *text, size_t n)
{
	uart_16550_write(text, n);
}

noreturn void machine_stop(unsigned number)
{
	isa_debug_exit(number);
	for (;;)
		cpu_halt();
}

#ifdef LOADER_SELFTEST
// As firmware leaves it that uses five levels.
static enum status use_five_levels(void)
{
	TRY(copy_levels_switch());
	uint64_t *top = firmware_allocate_below(GIB(4), PAGE_SIZE, EFI_LOADER_DATA);
	if (top == NULL)
		return refuse(STATUS_FIRMWARE_REFUSED, "no page below 4 GiB");
	memset(top, 0, PAGE_SIZE);
	top[0] = (cpu_cr3() & TABLE_FRAME) | 3;
	switch_levels((uint64_t)top, cpu_cr4() | CR4_LA57);
	return STATUS_OK;
}

void machine_selftest(const char *word, size_t n)
{
	if (!text_is(word, n, "five-levels")) {
		selftest(word, n);
		return;
	}
	enum status status = use_five_levels();
	if (status != STATUS_OK)
		die(status);
}
#endif
