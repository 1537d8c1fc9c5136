// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The UEFI protocol: from the entry point to the boot, and how a refusal returns to the firmware.
#include "core/log.h"
#include "core/panic.h"
#include "proto/uefi/firmware.h"
#include "proto/uefi/machine.h"

extern char loader_start[], loader_end[]; // linker script

// From <cpu>/entry.*: the arguments of the entry point (4.1).
noreturn void uefi_start(efi_handle image, struct efi_system_table *system);

static struct boot boot; // static: too large for the stack

static void *map(struct range r)
{
	// Firmware maps all memory identically (2.3.4, 2.3.6). 0 is no valid pointer.
	return r.start <= r.end && r.start != 0 && r.end <= boot.mappable.end ? (void *)r.start
									      : NULL;
}

static enum status leave_firmware(struct boot *found, const struct era *era)
{
	TRY(firmware_exit_boot_services(found));
	machine_take_over(found, era);
	return STATUS_OK;
}

static void write(const char *text, size_t n)
{
	if (firmware_boot_services_exited())
		machine_write(text, n);
	else
		firmware_write(text, n);
}

// With boot services a refusal returns to the firmware, which may try the next boot option.
static noreturn void stop(enum status status)
{
	// If the options cannot be parsed, that is already why the loader is here: the defaults
	// apply, and refuse() prints nothing a second time.
	struct loader_options options = { .on_error = ON_ERROR_RETURN };
	enum status ignored = cmdline_options(boot.cmdline, &options);
	(void)ignored;
	if (firmware_boot_services_exited() || options.on_error == ON_ERROR_STOP)
		machine_stop(status_number(status));
	machine_close();
	firmware_free_all();
	efi_return(EFI_ERROR_BIT | EFI_OEM_BIT | status_number(status));
}

static const struct platform platform = {
	.map = map,
	.claim = firmware_claim,
	.memory_type = firmware_memory_type,
	.leave_firmware = leave_firmware,
	.write = write,
	.stop = stop,
	.selftest = MACHINE_SELFTEST,
};

static enum status read_all(void)
{
	// First: the command line has loader.onerror=.
	TRY(files_read(&boot));
	tables_read(&boot);
	TRY(machine_open(&boot));
	// Last: everything before allocates memory, which changes the map.
	TRY(firmware_memory(&boot));
	if (boot.mappable.end > machine_reach)
		boot.mappable.end = machine_reach;
	return STATUS_OK;
}

noreturn void uefi_start(efi_handle image, struct efi_system_table *system)
{
	firmware_open(image, system);
	boot_init(&platform);
	boot = (struct boot){
		.target = LOADER_TARGET,
		.protocol = "uefi",
		.start_info_name = "UEFI system table",
		.start_info_at = (uint64_t)system,
		.loader = { (uint64_t)loader_start, (uint64_t)loader_end },
		// Not "hermit,uefi": kernels then expect the firmware's page tables.
		.compatible = "hermit,efi",
		.start_kind = START_UEFI,
	};
	enum status status = read_all();
	if (status != STATUS_OK)
		die(status);
	boot_run(&boot);
}
