// SPDX-License-Identifier: Apache-2.0 OR MIT
// The boot sequence. A boot protocol fills in struct boot, boot_run() reads the application, places
// it and builds the hand-over, and arch/ jumps.
//
// The protocol owns struct boot and the memory that its spans point to. How long they must stay
// valid:
//
//   struct boot        until the jump
//   memory of `app`    until the image is loaded
//   memory of others   until the hand-over block is written for the last time (UEFI: the second)
//
// If the core unpacks the application, it changes `app`, and `usable` if firmware manages memory.
// If that is a Hermit image, it changes `cmdline` and `start_info` as well. Addresses are physical,
// except `serial` on aarch64.
#pragma once

#include "core/cmdline.h"
#include "core/devicetree.h"
#include "core/era/era.h"
#include "core/place.h"
#include "core/platform.h"

// What a boot protocol passes to the core. It always sets target, protocol, start_info_name,
// loader, mappable, usable and elf_target. All others may be zero. If the protocol passes no
// device tree (all protocols of x86_64), it sets `compatible` as well, and the core creates one.
struct boot {
	// The loader's target, for example "x86_64-multiboot".
	const char *target;
	// The boot protocol, for example "multiboot".
	const char *protocol;
	// The start information in the words of upstream's log ("Multiboot information"), and its
	// address.
	const char *start_info_name;
	uint64_t start_info_at;

	// The application file as mapped by platform->map; empty if the protocol passed none.
	struct span app;
	uint64_t app_at;
	// Modules that the protocol passed. Only the first one is booted.
	uint32_t module_count;
	// The boot command line, without NUL.
	struct span cmdline;
	// PVH: changes the words that QEMU's microvm appends for virtio-mmio devices to the form
	// that kernels accept, and moves them before `--`, in the kernel's copy of the line.
	// Returns the line's new size, at most `n`. NULL: no edits.
	size_t (*edit_cmdline)(uint8_t *line, size_t n);

	// The running loader, including its .bss.
	struct range loader;
	// The addresses that platform->map can map.
	struct range mappable;
	// Free RAM.
	struct range_set usable;
	// The RAM that the kernel is to know of; empty means `usable`.
	struct range_set ram;
	// UEFI: how many ranges platform->leave_firmware may add to `ram`.
	uint32_t ram_slack;
	// Firmware memory within `ram`. The kernel receives it as memory reservations.
	struct range_set reserved;
	// The memory of the start information. Only the image may overlap it (place.h). UEFI: none,
	// since the firmware has allocated that memory. The core adds the command line of a Hermit
	// image.
	struct range start_info[START_INFO_MAX];
	size_t start_info_count;

	const struct elf_target *elf_target;
	// The firmware's device tree, from which the kernel's is derived. NULL: the core creates
	// one.
	const struct devicetree *devicetree;
	// `compatible` of the root node that the core creates, for example "hermit,multiboot".
	const char *compatible;
	// The boot protocol, as far as kernels distinguish it.
	enum start_kind start_kind;
	// Linux's zero page, for PLATFORM_TAG_LINUX_PARAMS.
	struct span boot_params;
	// The serial port in boot info. x86_64: I/O port; aarch64: virtual address; riscv64: 0.
	uint64_t serial;
	// riscv64: ID of the hart that runs the loader.
	uint64_t cpu;
	// The ACPI RSDP and SEV-SNP's confidential computing blob; empty if there is none. The core
	// copies them and names the copies in the device tree that it creates.
	struct span rsdp;
	struct span cc_blob;
};

// Registers the platform and its console. It must run first, so that every refusal is printed.
void boot_init(const struct platform *platform);

// Sets the application to the one that EMBED_APP= built into the loader (linked_in.c). Returns
// false if the loader has none.
bool use_embedded_app(struct boot *boot);

// Boots the application, or prints a refusal and stops the machine.
noreturn void boot_run(struct boot *boot);
