// SPDX-License-Identifier: Apache-2.0 OR MIT
// The one way through the loader: proto/ fills in what was found, boot_run() turns it into a
// hand-over, arch/ jumps.
#pragma once

#include "core/cmdline.h"
#include "core/devicetree.h"
#include "core/era/era.h"
#include "core/place.h"
#include "core/platform.h"

// What a protocol found. Everything but memory is optional.
struct boot {
	const char *target;   // of this file: "x86_64-multiboot"
	const char *protocol; // how it was started: "multiboot"
	// what the starter left, in upstream's words: "Multiboot information"
	const char *bootinfo_name;
	uint64_t bootinfo_at;  // and where
	struct span app;       // seen through platform->map; empty: none was given
	uint64_t app_at;       // its physical address
	uint32_t module_count; // how many the starter gave; the first is taken
	struct span cmdline;   // without NUL
	// the running loader, memory without file bytes included
	struct range loader;
	struct range reach;      // what platform->map can show
	struct range_set usable; // RAM that is free, ascending
	// what the application is told of; empty: the same as `usable`
	struct range_set ram;
	uint32_t ram_slack; // how many more ranges platform->leave_firmware may find
	// what the firmware keeps within `ram`: told as memory reservations
	struct range_set reserved;
	struct range preserved[4]; // what the starter left and is still read
	size_t preserved_count;
	const struct elf_target *elf_target;
	// the firmware's device tree, which is amended; NULL: one is made
	const struct devicetree *devicetree;
	const char *compatible; // of the tree that is made: "hermit,multiboot"
	// how a kernel with an ABI tag (0.10 on) is told that it was started
	enum platform_tag platform_tag;
	// and one without: the core puts it into `platform` then
	enum platform_tag platform_tag_older;
	struct span boot_params; // Linux's zero page, copied for PLATFORM_TAG_LINUX_PARAMS
	// of the boot information: x86_64 an I/O port, aarch64 a virtual address, riscv64 0
	uint64_t serial;
	uint64_t cpu; // riscv64: the hart that runs us
	// ACPI's root pointer, copied and named in the tree that is made; empty: none
	struct span rsdp;
	struct span cc_blob; // SEV-SNP's confidential computing blob, likewise
};

// Opens the log and remembers the platform: before anything else, so that every refusal can be
// told.
void boot_open(const struct platform *platform);

// Makes the application that was built into the loader (EMBED_APP=) the one to boot; false: none
// was built in.
bool embedded_app(struct boot *boot);

// Boots the application or refuses; either way it does not come back.
noreturn void boot_run(struct boot *boot);
