// SPDX-License-Identifier: Apache-2.0 OR MIT
// The firmware's services that we use, and what we owe it when we give up: every page back.
#pragma once

#include "core/boot.h"
#include "proto/uefi/efi.h"

extern struct efi_system_table *efi_system;
extern efi_handle efi_image;

void firmware_open(efi_handle image, struct efi_system_table *system);

// UTF-8 that is all ASCII, newlines as they are in a log; other bytes become question marks.
void firmware_write(const char *text, size_t n);

// So many bytes, rounded up to pages, within the machine's reach; NULL: none left. They are
// executable when `type` is EFI_LOADER_CODE.
must_check void *firmware_allocate(uint64_t size, uint32_t type);
// The same, below the address `limit`.
must_check void *firmware_allocate_below(uint64_t limit, uint64_t size, uint32_t type);
// The pages that hold `r`.
enum status firmware_claim(struct range r);
// Everything that was allocated or claimed.
void firmware_free_all(void);

// The interface, or NULL.
void *firmware_protocol(efi_handle handle, const struct efi_guid *guid);
// The configuration table, or NULL.
const void *firmware_table(const struct efi_guid *guid);

// What is free now goes to `usable`, what will be once the firmware has left to `ram`, and `reach`
// is set to hold all memory.
must_check enum status firmware_memory(struct boot *boot);
// ExitBootServices; afterwards no service may be called, and ram and usable of `boot` are what the
// firmware has left.
must_check enum status firmware_exit_boot_services(struct boot *boot);
bool firmware_boot_services_exited(void);
