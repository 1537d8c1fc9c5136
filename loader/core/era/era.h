// SPDX-License-Identifier: Apache-2.0 OR MIT
// Eras: ranges of kernel releases with the same hand-over. An era is a row of data: how to
// recognise it, what it needs, and where its boot info has which fact.
//
// Files outside of era/ read the fields of a row (`shape`, `sums_region_ends`, ...) and compare no
// versions, except that cmdline.c turns loader.era=eN into entry version N, and h0 into
// ENTRY_VERSION_H0. Apart from these fields, placement and page tables follow the same rules for
// every kernel.
//
// docs/which-kernels-boot.md lists the eras, CONTRIBUTING.md has the recipe for a new one.
#pragma once

#include "core/handover.h"
#include "core/notes.h"

// The tag of RawBootInfo's platform block (crate hermit-entry). Kernels do not validate it, so the
// loader must not pass one that they do not define. Tag 1 is uhyve's.
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

// What boot info may contain. Addresses are the physical ones at the time of the hand-over.
enum boot_fact {
	FACT_IMAGE_START,
	FACT_IMAGE_END,
	FACT_IMAGE_SIZE,
	// The TLS template in the image; all 0 if there is none.
	FACT_TLS_START,
	FACT_TLS_FILESZ,
	FACT_TLS_MEMSZ,
	FACT_TLS_ALIGN,
	// aarch64, riscv64: the RAM range that contains the image, up to
	// place_rules.reported_ram_limit. Up to kernel 0.11 it is all the RAM that they use.
	// x86_64, where kernels have a memory map: START is the image's start, rounded down to
	// 2 MiB, and means "RAM is in use from here". END is 0, which kernels ignore; with
	// PLATFORM_TAG_LINUX_PARAMS it is the end of RAM.
	FACT_RAM_START,
	FACT_RAM_END,
	FACT_SERIAL,
	FACT_FDT,
	// Low end of the stack in the block.
	FACT_STACK,
	// Era h0: low end of the stack that follows boot info in the image's header.
	FACT_HEADER_STACK,
	// The size excludes NUL.
	FACT_CMDLINE,
	FACT_CMDLINE_SIZE,
	// Multiboot 1 information; 0: none.
	FACT_MULTIBOOT,
	FACT_PLATFORM_TAG,
	// The platform tag's payload; 0 if the tag has none. With a payload, _INFO must not be 0:
	// the kernel's type is NonZeroU64.
	FACT_PAYLOAD_CMDLINE,
	FACT_PAYLOAD_SIZE,
	FACT_PAYLOAD_INFO,
	// Constants: 1, 0xc0decafe, no processor (u32), an unset IPv4 address, 255.255.255.0.
	FACT_ONE,
	FACT_MAGIC,
	FACT_NO_PROCESSOR,
	FACT_NO_ADDRESS,
	FACT_NETMASK,
	FACTS
};

// A fact in the boot info, at this offset. Always written as eight bytes; the next field overwrites
// the excess (boot_info.c).
struct boot_field {
	uint8_t at, fact;
};

struct era {
	// What loader.era= and the documentation call it. Several rows may share a name.
	char name[4];
	// A file gets the first row that agrees with it in entry version, kernel, uhyve interface
	// and CPU.
	uint16_t entry_version;
	// At least kernel 0.N by the ABI tag, and at least this uhyve interface. 0: any file. The
	// tag exists since kernel 0.10; a file without it counts as 0.0.
	uint8_t kernel_minor, uhyve_interface;
	// e_machine of the only CPU that has the era; big-endian files do not match then. 0: all
	// CPUs and both byte orders.
	uint16_t machine;
	// The platform tag for each boot protocol.
	uint8_t tags[START_KINDS];
	// The kernel remaps the pages of command line and Multiboot information read-only and still
	// writes to boot info, which therefore needs pages of its own.
	bool info_own_page : 1;
	// Boot info is the header at the start of the image.
	bool info_in_image : 1;
	// The kernel takes the sum of the ends of all regions for the amount of RAM.
	bool sums_region_ends : 1;
	// Some kernels of the era read the platform tag's payload 8 bytes later than the others.
	bool two_payloads : 1;
	struct paging_shape shape;
	// Size of boot info in bytes, a multiple of 16.
	uint8_t info_size;
	uint8_t field_count;
	// By ascending `at`.
	const struct boot_field *fields;
};

#define ERA_FIELDS(array) .fields = (array), .field_count = countof(array)

// Selects the era. `forced` is the entry version of loader.era=, or 0 if the file decides. Refuses
// a file that is not recognised and a version of no era (class 81).
must_check enum status era_identify(const struct notes *notes, const struct elf_image *image,
				    uint32_t forced, const struct era **out);

// The rows. X(name) is era_<name>, which <era>.c defines.
#define ERAS(X)      \
	X(h0)        \
	X(e1)        \
	X(e1_arm)    \
	X(e2)        \
	X(e2_arm)    \
	X(e3)        \
	X(e4_newest) \
	X(e4_tagged) \
	X(e4)
// The supported entry versions in the words of a refusal. (Era h0 has none.)
#define ERA_VERSIONS                                                                         \
	"1 to 4 (aarch64_be, riscv64: 3, 4): for a later kernel use a later loader, or try " \
	"loader.era=e4"

#define ERA_DECLARE(name) extern const struct era era_##name;
ERAS(ERA_DECLARE)

// Writes the era's boot info to `out`, which has info_size bytes and is aligned to 16.
void boot_info_write(uint8_t *out, const struct era *era, enum order order,
		     const uint64_t facts[FACTS]);

// Multiboot 1 information with command line and memory map. Kernels up to 0.10 take the memory map
// from it. No kernel takes the command line from it: boot info has the line's address and size.
// multiboot_info_size() returns bytes. `at` is the physical address of `out`, `cmdline` that of the
// line. Both are below 4 GiB, since their fields have 32 bits.
size_t multiboot_info_size(size_t range_count);
void multiboot_info_write(uint8_t *out, uint64_t at, uint64_t cmdline, const struct range *ram,
			  uint32_t count);
