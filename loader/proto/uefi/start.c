// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/log.h"
#include "core/panic.h"
#include "proto/uefi/firmware.h"
#include "proto/uefi/input.h"
#include "proto/uefi/machine.h"

extern char loader_start[], loader_end[]; // the linker script

noreturn void uefi_start(efi_handle image, struct efi_system_table *system);

static struct boot boot; // large

static void *map(struct range r)
{
	// the firmware maps all memory to itself
	return r.start <= r.end && r.start != 0 && r.end <= boot.reach.end ? (void *)r.start : NULL;
}

static enum status leave_firmware(struct boot *found)
{
	TRY(firmware_exit_boot_services(found));
	machine_take_over(found);
	return STATUS_OK;
}

static void write(const char *text, size_t n)
{
	if (firmware_boot_services_exited())
		machine_write(text, n);
	else
		firmware_write(text, n);
}

static noreturn void stop(enum status status)
{
	// The refusal may be about these very options: then the defaults stand, and nothing is
	// printed twice.
	struct loader_options options = { .on_error = ON_ERROR_RETURN };
	enum status ignored = cmdline_options(boot.cmdline, &options);
	(void)ignored;
	if (firmware_boot_services_exited() || options.on_error == ON_ERROR_STOP)
		machine_stop(status_number(status));
	machine_close();
	firmware_free_all();
	entry_return(EFI_ERROR_BIT | EFI_OEM_BIT | status_number(status));
}

static const struct platform platform = {
	.map = map,
	.claim = firmware_claim,
	.leave_firmware = leave_firmware,
	.write = write,
	.stop = stop,
	.selftest = MACHINE_SELFTEST,
};

static enum status read_all(void)
{
	TRY(files_read(&boot)); // first: the command line tells what a refusal does
	tables_read(&boot);
	TRY(machine_open(&boot));
	TRY(firmware_memory(&boot)); // last: what comes before allocates
	if (boot.reach.end > machine_reach)
		boot.reach.end = machine_reach;
	return STATUS_OK;
}

noreturn void uefi_start(efi_handle image, struct efi_system_table *system)
{
	firmware_open(image, system);
	boot_open(&platform);
	boot = (struct boot){
		.target = LOADER_TARGET,
		.protocol = "uefi",
		.bootinfo_name = "UEFI system table",
		.bootinfo_at = (uint64_t)system,
		.loader = { (uint64_t)loader_start, (uint64_t)loader_end },
		.compatible = "hermit,efi", // "hermit,uefi" would promise the firmware's page
					    // tables, which map everything
		.start_kind = START_UEFI,
	};
	enum status status = read_all();
	if (status != STATUS_OK)
		die(status);
	boot_run(&boot);
}
