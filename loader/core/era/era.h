// SPDX-License-Identifier: Apache-2.0 OR MIT
// Kernel generations. Each is one row: how it is recognised, what it wants to find, and who writes
// its boot information. Nothing else in the loader knows a version number.
#pragma once

#include "core/handover.h"
#include "core/notes.h"

// Tag of the platform block of RawBootInfo (crate hermit-entry 0.10). On aarch64 and riscv64 tag 0
// is called LinuxBoot and has no payload.
enum platform_tag {
	PLATFORM_TAG_MULTIBOOT = 0,
	PLATFORM_TAG_LINUX_PARAMS = 2,
	PLATFORM_TAG_FDT = 3
};

// How the loader was started, as far as kernels distinguish it.
enum start_kind {
	START_DEVICETREE, // the firmware passes a device tree
	START_MULTIBOOT,
	START_PVH,
	START_LINUX,
	START_UEFI, // without a device tree
	START_KINDS
};

// What a boot-information writer may need. Addresses are those at which the kernel will find
// things.
struct boot_facts {
	enum order order;
	struct range image;
	struct elf_tls tls; // vaddr already moved to where the image runs
	uint64_t cmdline, cmdline_size;
	uint64_t multiboot; // Multiboot 1 information; 0: none
	uint64_t boot_params;
	enum platform_tag platform_tag;
	// what kernels up to 0.11 take for their RAM where they read no map: the piece that holds
	// the image
	struct range ram;
	uint64_t fdt;
	uint64_t stack; // low end
	uint64_t serial;
};

struct era {
	char name[4];
	uint8_t entry_version; // of the note that names it
	uint16_t machine;      // e_machine of the only CPU that has it; 0: every one
	// the stack pointer is the lowest address, the kernel adds the size itself
	bool stack_low_end;
	uint32_t stack_size;
	uint32_t info_size; // bytes, aligned to 16
	// The kernel maps the pages of command line and Multiboot information once more, read-only,
	// and still writes to its boot info.
	bool info_own_page;
	struct paging_shape shape;
	void (*write_info)(uint8_t *out, const struct boot_facts *facts);
};

// `forced` is the entry version of loader.era=, 0 when the notes decide. Refuses what no row
// recognises.
must_check enum status era_identify(const struct notes *notes, const struct elf_target *target,
				    uint32_t forced, const struct era **out);

// Each era is era_NAME, a row in NAME.c.
#define ERAS(X) \
	X(e1)   \
	X(e4)
// For the refusal of other versions.
#define ERA_VERSIONS "1 (kernels 0.4.3, 0.4.4, x86_64) and 4 (since 0.7.0)"

#define ERA_DECLARE(name) extern const struct era era_##name;
ERAS(ERA_DECLARE)

// The platform tag that a kernel of this version expects after such a start.
enum platform_tag era_platform_tag(const struct notes *notes, enum start_kind start);

// A Multiboot 1 information block with command line and memory map, as kernels up to 0.10 read it.
size_t multiboot_info_size(size_t range_count);
void multiboot_info_write(uint8_t *out, uint64_t at, uint64_t cmdline,
			  const struct range_set *usable);
