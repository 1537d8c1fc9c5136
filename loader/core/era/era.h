// SPDX-License-Identifier: Apache-2.0 OR MIT
// Eras: ranges of kernel releases with the same hand-over. An era is data plus the function that
// writes its boot info, in one file. Only code in era/ depends on entry versions or kernel
// versions. Placement and page tables follow rules that suit every supported kernel. docs/eras.md
// lists the eras, CONTRIBUTING.md has the recipe for a new one.
#pragma once

#include "core/handover.h"
#include "core/notes.h"

// The tag of RawBootInfo's platform block (crate hermit-entry 0.10). Kernels do not validate it, so
// the loader must not pass one that they do not define. Tag 1 is uhyve's.
enum platform_tag {
	PLATFORM_TAG_MULTIBOOT = 0,  // x86_64
	PLATFORM_TAG_LINUX_BOOT = 0, // aarch64, riscv64: no payload
	PLATFORM_TAG_LINUX_PARAMS = 2,
	PLATFORM_TAG_FDT = 3
};

// The boot protocols that kernels distinguish. START_DEVICETREE is every protocol that passes a
// device tree, START_UEFI is UEFI without one.
enum start_kind {
	START_DEVICETREE,
	START_MULTIBOOT,
	START_PVH,
	START_LINUX,
	START_UEFI,
	START_KINDS
};

// The inputs of a boot-info writer. Addresses are the physical ones at the time of the hand-over.
struct boot_info_inputs {
	enum order order;
	struct range image;
	// `vaddr` includes the load bias.
	struct elf_tls tls;
	// The size excludes NUL.
	uint64_t cmdline, cmdline_size;
	// Multiboot 1 information; 0: none.
	uint64_t multiboot;
	uint64_t boot_params;
	enum platform_tag platform_tag;
	// The RAM range that contains the image. Kernels up to 0.11 without a memory map use it as
	// their RAM. On x86_64 its start is the image's, rounded down to 2 MiB,
	// and its end usually 0.
	struct range ram;
	uint64_t fdt;
	// Low end of the stack.
	uint64_t stack;
	uint64_t serial;
};

struct era {
	char name[4];
	// Entry version in the application's note.
	uint8_t entry_version;
	// e_machine of the only CPU that has the era. 0: all CPUs.
	uint16_t machine;
	// The stack pointer at the entry point is the low end of the stack, to which the kernel
	// adds stack_size. False: it is the top. Ignored if arch_always_stack_top.
	bool stack_low_end;
	uint32_t stack_size;
	// Size of boot info in bytes, a multiple of 16.
	uint32_t info_size;
	// The kernel remaps the pages of command line and Multiboot information read-only and still
	// writes to boot info, which therefore needs pages of its own.
	bool info_own_page;
	struct paging_shape shape;
	// Writes info_size bytes to `out`, which is aligned to 16.
	void (*write_info)(uint8_t *out, const struct boot_info_inputs *facts);
};

// Selects the era. `forced` is the entry version of loader.era=, or 0 if the notes decide. Refuses
// a missing note and a version of no era (class 81).
must_check enum status era_identify(const struct notes *notes, const struct elf_target *target,
				    uint32_t forced, const struct era **out);

// The eras. X(name) stands for era_<name>, which <name>.c defines.
#define ERAS(X) \
	X(e1)   \
	X(e4)
// The supported versions in the words of a refusal.
#define ERA_VERSIONS "1 (kernels 0.4.3, 0.4.4, x86_64) and 4 (since 0.7.0)"

#define ERA_DECLARE(name) extern const struct era era_##name;
ERAS(ERA_DECLARE)

// Returns the platform tag that this kernel expects from this boot protocol.
enum platform_tag era_platform_tag(const struct notes *notes, enum start_kind start);

// Multiboot 1 information with command line and memory map. Kernels up to 0.10 read both from
// there. The size is in bytes. `at` is the physical address of `out`; all addresses are below 4
// GiB, since the fields have 32 bits.
size_t multiboot_info_size(size_t range_count);
void multiboot_info_write(uint8_t *out, uint64_t at, uint64_t cmdline, const struct range_set *ram);
