// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "../machine.h"

#include "../../../arch/x86_64/last.h"
#include "../../../core/log.h"
#include "../../../core/symbols.h"
#include "../../../dev/ports.h"
#include "../../../dev/uart_16550.h"
#include "../firmware.h"

#define FIRMWARE_VECTORS 256

// Where a PC's BIOS leaves the segment of its extended data area, whose first KiB kernels before 0.10 search for ACPI's root pointer: they have no
// other way to it. UEFI has no such area.
enum { EBDA_POINTER = 0x40e, EBDA_SIZE = 0x400, EBDA_LIMIT = 0xa0000 };

const uint64_t machine_reach = GIB(512); // one entry of the top table

static void *ebda; // a page of its own, since these kernels map it themselves

static struct cpu_table_pointer firmware_idt;
static struct gate idt[FIRMWARE_VECTORS];

// The firmware may map our code read-only and our data not executable, while the last code is one piece of both: it runs from a copy.
// Vectors that are no exceptions of ours stay the firmware's, which needs its timer.
static enum status own_exceptions(void)
{
	size_t size = (size_t)(last_end - last_start);
	uint8_t *copy = firmware_allocate(size, EFI_LOADER_CODE);
	struct last_hooks hooks = { symbol_find };
	uint16_t code_selector;
	if (copy == NULL)
		return refuse(STATUS_FIRMWARE_REFUSED, "no %#lx bytes for the exception handlers", size);
	memcpy(copy, last_start, size);
	memcpy(copy + ((char *)&last_hooks - last_start), &hooks, sizeof hooks);

	__asm__ volatile("sidt %0" : "=m"(firmware_idt));
	__asm__ volatile("mov %%cs, %0" : "=r"(code_selector));
	size_t known = (firmware_idt.limit + 1UL) / sizeof(struct gate);
	if (known > FIRMWARE_VECTORS)
		known = FIRMWARE_VECTORS;
	struct gate ours[VECTORS];
	memcpy(idt, (const void *)firmware_idt.base, known * sizeof(struct gate));
	last_fill_idt(ours, (uint64_t)(copy + (last_vectors - last_start)));
	for (unsigned i = 0; i < VECTORS; i++) {
		idt[i].low = (ours[i].low & ~(UINT64_C(0xffff) << 16)) | (uint64_t)code_selector << 16;
		idt[i].high = ours[i].high;
	}
	const struct cpu_table_pointer pointer = { sizeof idt - 1, (uint64_t)idt };
	cpu_load_idt(&pointer);
	return STATUS_OK;
}

enum status machine_open(struct boot *boot)
{
	const uint64_t five_levels = 1 << 12;
	uint64_t cr4;
	boot->elf_target = &elf_target_x86_64;
	boot->serial = COM1;
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	if ((cr4 & five_levels) != 0)
		return refuse(STATUS_START_STATE, "the firmware uses page tables of five levels (CR4 is %#lx), kernels know four; switch LA57 off", cr4);
	if (boot->rsdp.n != 0 && boot->rsdp.n <= EBDA_SIZE)
		ebda = firmware_allocate_below(EBDA_LIMIT, EBDA_SIZE, EFI_LOADER_DATA);
	return own_exceptions();
}

// Firmware may leave page 0 unmapped, to catch null pointers. Four levels: machine_open has made sure.
static bool page_0_is_mapped(void)
{
	enum { PRESENT = 1, LARGE = 1 << 7 };
	const uint64_t frame = UINT64_C(0xffffffffff000);
	uint64_t entry = cpu_cr3() | PRESENT;
	for (unsigned level = 0; level < 4; level++) {
		entry = *(const uint64_t *)(entry & frame);
		if ((entry & PRESENT) == 0)
			return false;
		if (level != 0 && (entry & LARGE) != 0)
			return true;
	}
	return true;
}

// The one write outside of what was allocated: into page 0, once nobody owns it, and for old kernels alone.
static void leave_root_pointer(const struct boot *boot)
{
	if (boot->platform != boot->platform_older || ebda == NULL || !range_set_contains(&boot->ram, (struct range){ 0, PAGE_SIZE }) ||
	    !page_0_is_mapped())
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

void machine_left(const struct boot *boot)
{
	__asm__ volatile("cli");
	uart_open();
	leave_root_pointer(boot);
}

void machine_write(const char *text, size_t n)
{
	uart_write(text, n);
}

noreturn void machine_stop(unsigned number)
{
	exit_isa(number);
	for (;;)
		cpu_halt();
}
