// SPDX-License-Identifier: Apache-2.0 OR MIT
// A fake UEFI firmware under proto/uefi, and the CPU's part of machine.h.
//
// Its memory is at the reported addresses, since the loader uses addresses as they are. Access to
// memory that is not allocated is an error. Calls that the specification forbids (pages that are
// not the caller's, services after ExitBootServices) are counted.
#pragma once

#include "proto/uefi/efi.h"
#include "test/fake.h"

#define FAKE_UEFI_RAM_AT UINT64_C(0x10000000)
#define FAKE_UEFI_RAM MIB(16)
// Above this the loader may take nothing.
#define FAKE_UEFI_REACH (FAKE_UEFI_RAM_AT + FAKE_UEFI_RAM - KIB(64))
// The firmware's own pages, from the start of RAM: reserved for good, and its own until it leaves.
#define FAKE_UEFI_RESERVED_PAGES 4
#define FAKE_UEFI_SERVICE_PAGES 300
// The number of the latter that disappear during the exit, one per stale map key.
#define FAKE_UEFI_FREED_PAGES 2

struct fake_uefi_file {
	const char *path; // "\\EFI\\hermit\\hermit-app"
	struct span data;
	efi_status open, read; // what these calls give
	uint64_t once;         // bytes that one call of Read gives at most; 0: all
};

// Everything that may be changed before fake_uefi_boot().
struct fake_uefi {
	struct span options; // load options, UCS-2
	struct fake_uefi_file file[4];
	size_t file_count;
	bool shell; // started by the shell
	bool no_volume, no_loaded_image;
	// RAM disk by LoadFile2; empty: there is none
	struct span offered;
	// what asking for its size and for its bytes gives
	efi_status offered_size, offered_data;
	struct efi_configuration_table table[4];
	uint64_t table_count;
	unsigned allocations; // number of successful allocations
	// calls of ExitBootServices whose key a handler of theirs makes stale
	unsigned stale;
	unsigned map_calls; // number of successful calls of GetMemoryMap
	uint64_t map_stride;
	// one page of another type, until the firmware leaves and afterwards; address 0: none
	struct {
		uint64_t at;
		uint8_t type, after;
	} page;
};

enum fake_uefi_end { FAKE_UEFI_RETURNED, FAKE_UEFI_STOPPED, FAKE_UEFI_HANDED_OVER };

struct fake_uefi_outcome {
	enum fake_uefi_end end;
	uint64_t returned; // FAKE_UEFI_RETURNED: what the firmware gets
	unsigned number;   // FAKE_UEFI_STOPPED: what leaves the machine
	const struct handover *handover;
	unsigned exits;  // calls of ExitBootServices
	unsigned misuse; // forbidden calls
	uint64_t pages;  // that the loader has at the end
	unsigned open_files;
	// the firmware's watchdog runs; exceptions are the loader's
	bool watchdog, exceptions;
};

// 16 MiB, no files, every call succeeds.
struct fake_uefi fake_uefi_default(void);

// Adds a file; the last one is uefi->file[uefi->file_count - 1].
void fake_uefi_add(struct fake_uefi *uefi, const char *path, const void *bytes, size_t n);

// Puts text into the load options, two bytes a character, with its NUL.
void fake_uefi_options(struct fake_uefi *uefi, const char *text);

const struct fake_uefi_outcome *fake_uefi_boot(const struct fake_uefi *uefi);
