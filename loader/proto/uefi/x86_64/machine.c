// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// UEFI on x86_64. Firmware page tables stay in use until the hand-over; 5-level ones are replaced
// after ExitBootServices, because kernels expect four levels.
#include "arch/x86_64/trampoline.h"
#include "core/exception.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/text.h"
#include "dev/isa_debug_exit.h"
#include "dev/uart_16550.h"
#include "proto/uefi/firmware.h"
#include "proto/uefi/machine.h"

// All vectors that an IDT can have (Intel SDM volume 3, Exception and Interrupt Vectors).
#define FIRMWARE_VECTORS 256

// Kernels before 0.10 find the RSDP only in the first KiB of the extended BIOS data area. A BIOS
// stores its segment at 0x40e (ACPI 6.5, 5.2.5.1). UEFI has no such area, so the loader makes one.
enum { EBDA_POINTER = 0x40e, EBDA_SIZE = 0x400, EBDA_LIMIT = 0xa0000 };

// One entry of the kernel's top table.
const uint64_t machine_reach = GIB(512);

// A page of its own: these kernels map it. NULL: none.
static void *ebda;

// Address bits of CR3 and of table entries.
#define TABLE_FRAME UINT64_C(0xffffffffff000)
enum { CR4_LA57 = 1 << 12 };

extern char la57_switch_start[], la57_switch_end[]; // la57_switch.asm
typedef void la57_switch_function(uint64_t cr3, uint64_t cr4);
// Its copy, below 4 GiB.
static la57_switch_function *la57_switch;

// The firmware's IDT, for machine_close(), and the loader's, which replaces it.
static struct cpu_table_pointer firmware_idt;
static struct gate idt[FIRMWARE_VECTORS];

// Firmware may map code read-only and data non-executable, but the trampoline has both: a copy in
// EFI_LOADER_CODE memory handles exceptions. Other vectors stay the firmware's, whose timer
// interrupt must work until ExitBootServices.
static enum status install_exception_handlers(void)
{
	size_t size = trampoline_code_size();
	uint8_t *copy = firmware_allocate(size, EFI_LOADER_CODE);
	struct exception_hooks hooks = { symbol_find };
	uint16_t code_selector;
	if (copy == NULL)
		return refuse(STATUS_FIRMWARE_REFUSED,
			      "cannot allocate %#lx bytes for the exception handlers", size);
	memcpy(copy, trampoline_start, size);
	memcpy(copy + trampoline_offset(&exception_hooks), &hooks, sizeof hooks);

	__asm__ volatile("sidt %0" : "=m"(firmware_idt));
	__asm__ volatile("mov %%cs, %0" : "=r"(code_selector));
	size_t known = (firmware_idt.limit + 1UL) / sizeof(struct gate);
	if (known > FIRMWARE_VECTORS)
		known = FIRMWARE_VECTORS;
	struct gate ours[VECTORS];
	memcpy(idt, (const void *)firmware_idt.base, known * sizeof(struct gate));
	idt_fill(ours, (uint64_t)copy + trampoline_offset(exception_vectors));
	// idt_fill() sets the code selector of the loader's GDT (bits 16 to 31). The firmware's GDT
	// stays in use.
	for (unsigned i = 0; i < VECTORS; i++) {
		idt[i].low = (ours[i].low & ~(UINT64_C(0xffff) << 16)) | (uint64_t)code_selector
										 << 16;
		idt[i].high = ours[i].high;
	}
	const struct cpu_table_pointer pointer = { sizeof idt - 1, (uint64_t)idt };
	cpu_load_idt(&pointer);
	return STATUS_OK;
}

// Copies la57_switch.asm to executable memory below 4 GiB, which 32-bit code can address.
static enum status copy_la57_switch(void)
{
	size_t size = (size_t)(la57_switch_end - la57_switch_start);
	void *copy = firmware_allocate_below(GIB(4), size, EFI_LOADER_CODE);
	if (copy == NULL)
		return refuse(STATUS_FIRMWARE_REFUSED,
			      "cannot allocate %#lx bytes below 4 GiB to switch page tables from",
			      size);
	memcpy(copy, la57_switch_start, size);
	la57_switch = (la57_switch_function *)copy;
	return STATUS_OK;
}

// The first PML4 of a 5-level table. It maps the first 256 TiB, as the 4-level table will.
static uint64_t four_level_root(void)
{
	return *(const uint64_t *)(cpu_cr3() & TABLE_FRAME) & TABLE_FRAME;
}

enum status machine_open(struct boot *boot)
{
	boot->elf_target = &elf_target_x86_64;
	boot->serial = COM1;
	if ((cpu_cr4() & CR4_LA57) != 0) {
		if (four_level_root() >= GIB(4))
			return refuse(STATUS_START_STATE,
				      "the firmware's 5-level page tables are at %#lx, the loader "
				      "can only leave them below 4 GiB",
				      four_level_root());
		TRY(copy_la57_switch());
	}
	if (boot->rsdp.n != 0 && boot->rsdp.n <= EBDA_SIZE)
		ebda = firmware_allocate_below(EBDA_LIMIT, EBDA_SIZE, EFI_LOADER_DATA);
	return install_exception_handlers();
}

// Firmware may leave page 0 unmapped to catch null pointers. Walks its 4-level tables.
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

// Passes the RSDP to kernels before 0.10. The write to page 0 is the only one outside of allocated
// memory. It happens after ExitBootServices, if page 0 is RAM and mapped.
static void write_ebda_rsdp(const struct boot *boot, const struct era *era)
{
	if (era->tags[START_UEFI] != PLATFORM_TAG_MULTIBOOT || ebda == NULL ||
	    !range_set_contains(&boot->ram, (struct range){ 0, PAGE_SIZE }) || !page_0_is_mapped())
		return;
	// A real-mode segment: the address divided by 16.
	uint16_t segment = (uint16_t)((uint64_t)ebda >> 4);
	memset(ebda, 0, EBDA_SIZE);
	memcpy(ebda, boot->rsdp.p, boot->rsdp.n);
	// CR0.WP: firmware may map page 0 read-only.
	cpu_set_cr0(cpu_cr0() & ~(UINT64_C(1) << 16));
	__asm__ volatile("movw %0, (%1)" : : "r"(segment), "r"((uint64_t)EBDA_POINTER) : "memory");
}

void machine_close(void)
{
	if (firmware_idt.base != 0)
		cpu_load_idt(&firmware_idt);
}

void machine_take_over(const struct boot *boot, const struct era *era)
{
	__asm__ volatile("cli");
	uart_16550_open();
	if ((cpu_cr4() & CR4_LA57) != 0) {
		log_line(LOG_DEBUG, "Leaving page tables of five levels");
		la57_switch(four_level_root(), cpu_cr4() & ~(uint64_t)CR4_LA57);
	}
	write_ebda_rsdp(boot, era);
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
// Brings the CPU into the state in which firmware with 5-level paging starts the loader.
static enum status enter_five_levels(void)
{
	TRY(copy_la57_switch());
	uint64_t *top = firmware_allocate_below(GIB(4), PAGE_SIZE, EFI_LOADER_DATA);
	if (top == NULL)
		return refuse(STATUS_FIRMWARE_REFUSED, "cannot allocate a page below 4 GiB");
	memset(top, 0, PAGE_SIZE);
	top[0] = (cpu_cr3() & TABLE_FRAME) | 3;
	la57_switch((uint64_t)top, cpu_cr4() | CR4_LA57);
	return STATUS_OK;
}

void machine_selftest(struct span word)
{
	if (!span_is(word, "five-levels")) {
		selftest(word);
		return;
	}
	enum status status = enter_five_levels();
	if (status != STATUS_OK)
		die(status);
}
#endif
