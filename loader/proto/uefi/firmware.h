// SPDX-License-Identifier: Apache-2.0 OR MIT
// Firmware services, and what they provide for the application. All allocated pages are recorded,
// so that firmware_free_all() can return them if the loader refuses to boot. Sizes are in bytes,
// addresses physical.
#pragma once

#include "core/boot.h"
#include "proto/uefi/efi.h"

// The two arguments of the entry point. They stay valid until ExitBootServices.
extern struct efi_system_table *efi_system;
extern efi_handle efi_image;

// Keeps the arguments and disables the watchdog. It must run first.
void firmware_open(efi_handle image, struct efi_system_table *system);

// Writes to ConOut. Non-ASCII bytes become question marks, \n becomes \r\n (12.4.3).
void firmware_write(const char *text, size_t n);

// Allocates `size` bytes, rounded up to pages, below machine_reach. The memory is executable if
// `type` is EFI_LOADER_CODE. NULL: the firmware has none.
must_check void *firmware_allocate(uint64_t size, uint32_t type);
// The same, below the address `limit`.
must_check void *firmware_allocate_below(uint64_t limit, uint64_t size, uint32_t type);
// Allocates the pages of `r` at their address. A refusal has been printed.
enum status firmware_claim(struct range r);
// Frees everything that was allocated or claimed.
void firmware_free_all(void);

// The handle's interface of a protocol, or NULL.
void *firmware_protocol(efi_handle handle, const struct efi_guid *guid);
// The address of a configuration table, or NULL.
const void *firmware_table(const struct efi_guid *guid);

// Reads the memory map: `boot->usable` is free now, `boot->ram` is free after ExitBootServices,
// `boot->mappable` covers all memory.
must_check enum status firmware_memory(struct boot *boot);
// Calls ExitBootServices and sets `ram` and `usable` of `boot` by the final memory map. Afterwards
// no service may be called.
must_check enum status firmware_exit_boot_services(struct boot *boot);
bool firmware_boot_services_exited(void);
// Names the memory type of an address, as the memory map had it when firmware_memory() read it.
const char *firmware_memory_type(uint64_t address);

// Sets application and command line of `boot`. The application is the first of:
// - Linux's initrd, which the firmware provides by LoadFile2 (QEMU's -initrd)
// - initrd=PATH in the load options, on the loader's volume
// - \EFI\hermit\hermit-app, then \EFI\BOOT\hermit-app, on the loader's volume
// - the embedded one
// The command line is the load options. If they are empty, it is the file hermit-bootargs in the
// first of these two directories that has one. Refusals have been printed.
must_check enum status files_read(struct boot *boot);

// Sets `rsdp` and `cc_blob` of `boot`. An invalid table is ignored with a warning.
void tables_read(struct boot *boot);
