// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "files.h"
#include "machine.h"

#include "../../core/log.h"

extern char loader_start[], loader_end[]; // the linker script

noreturn void start_c(efi_handle image, struct efi_system_table *system);

static struct boot boot; // large

static void *map(struct range r)
{
	return r.start <= r.end && r.start != 0 && r.end <= boot.reach.end ? (void *)r.start : NULL; // the firmware maps all memory to itself
}

static enum status leave(struct boot *found)
{
	TRY(firmware_leave(found));
	machine_left(found);
	return STATUS_OK;
}

static void write(const char *text, size_t n)
{
	if (firmware_has_left())
		machine_write(text, n);
	else
		firmware_write(text, n);
}

static noreturn void stop(enum status status)
{
	// The refusal may be about these very options: then the defaults stand, and nothing is printed twice.
	struct options options = { .on_error = ON_ERROR_RETURN };
	enum status ignored = cmdline_options(boot.cmdline, &options);
	(void)ignored;
	if (firmware_has_left() || options.on_error == ON_ERROR_STOP)
		machine_stop(status_number(status));
	machine_close();
	firmware_free_all();
	entry_return(EFI_ERROR_BIT | EFI_OEM_BIT | status_number(status));
}

static const struct platform platform = {
	.map = map,
	.claim = firmware_claim,
	.leave = leave,
	.write = write,
	.stop = stop,
#ifdef LOADER_SELFTEST
	.selftest = machine_selftest,
#endif
};

// ACPI 6.5, 5.2.5.3: revision 0 has 20 bytes, later ones tell their length at 20.
static struct span root_pointer(void)
{
	static const struct efi_guid acpi20 = { 0x8868e871, 0xe4f1, 0x11d3, { 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 } };
	static const struct efi_guid acpi10 = { 0xeb9d2d30, 0x2d88, 0x11d3, { 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d } };
	const uint8_t *p = firmware_table(&acpi20);
	if (p == NULL)
		p = firmware_table(&acpi10);
	if (p == NULL || memcmp(p, "RSD PTR ", 8) != 0)
		return (struct span){ 0 };
	size_t n = p[15] == 0 ? 20 : load_u32(p + 20, ORDER_LITTLE);
	log_line(LOG_DEBUG, "Found RSDP at %#lx, %lu bytes", (uint64_t)p, n);
	return n >= 20 && n <= PAGE_SIZE ? (struct span){ p, n } : (struct span){ 0 };
}

static void note_sev(void)
{
	static const struct efi_guid sev = { 0x067b1f5f, 0xcf26, 0x44c5, { 0x85, 0x54, 0x93, 0xd7, 0x77, 0x91, 0x2d, 0x42 } };
	const void *blob = firmware_table(&sev);
	if (blob != NULL)
		log_line(LOG_DEBUG, "Found SEV-SNP's confidential computing blob at %#lx", (uint64_t)blob);
}

static enum status read_all(void)
{
	boot.rsdp = root_pointer();
	TRY(machine_open(&boot));
	TRY(files_read(&boot));
	note_sev();
	return firmware_memory(&boot); // last: what comes before allocates
}

noreturn void start_c(efi_handle image, struct efi_system_table *system)
{
	firmware_open(image, system);
	boot_open(&platform);
	boot.target = LOADER_TARGET;
	boot.protocol = "uefi";
	boot.start_name = "UEFI system table";
	boot.start_at = (uint64_t)system;
	boot.loader = (struct range){ (uint64_t)loader_start, (uint64_t)loader_end };
	boot.compatible = "hermit,efi"; // "hermit,uefi" would promise the firmware's page tables, which map everything
	boot.platform = HANDED_FDT;
	boot.platform_older = HANDED_MULTIBOOT;
	enum status status = read_all();
	if (status != STATUS_OK)
		die(status);
	boot_run(&boot);
}
