// SPDX-License-Identifier: Apache-2.0 OR MIT
// Readers of the start information of the x86 boot protocols: one per protocol, and the parts that
// protocols have in common. Addresses are physical, all fields little-endian. Refusals have
// been printed.
#pragma once

#include "core/boot.h"

// The reader of each protocol, in <protocol>/<protocol>.c. It fills the application, command line,
// memory, RSDP (not with Multiboot 1) and `start_info` of `boot`. `boot->loader` and
// `boot->mappable` are set before; `map` maps physical memory. Lengths in the start information are
// checked against `boot->mappable` only.

// Multiboot 1 (Multiboot Specification 0.6.96, section 3.3). `magic` and `info` are EAX and EBX at
// entry.
must_check enum status multiboot_read(uint32_t magic, uint32_t info, void *(*map)(struct range),
				      struct boot *boot);

// Multiboot 2 (Multiboot2 Specification 2.0, section 3.4). `magic` and `info` are EAX and EBX at
// entry.
must_check enum status multiboot2_read(uint32_t magic, uint32_t info, void *(*map)(struct range),
				       struct boot *boot);

// PVH: struct hvm_start_info of Xen's x86/HVM direct boot ABI (docs/misc/pvh.pandoc,
// public/arch-x86/hvm/start_info.h). `info` is EBX at entry, its physical address.
must_check enum status pvh_read(uint32_t info, void *(*map)(struct range), struct boot *boot);

// QEMU's microvm appends `virtio_mmio.device=512@ADDRESS:IRQ` for each virtio-mmio device. Kernels
// accept only the size 4K, and only before `--`. Device words at the end of the line are moved to
// before `--`; then the size of every device word before `--` is changed. All other words stay as
// they are. For `boot->edit_cmdline`.
size_t pvh_edit_cmdline(uint8_t *line, size_t n);

// The 64-bit Linux entry: the zero page, struct boot_params (Documentation/arch/x86/boot.rst,
// "64-bit boot protocol", and zero-page.rst). `params` is RSI at entry, its physical address.
must_check enum status linux64_read(uint64_t params, void *(*map)(struct range), struct boot *boot);

// How to read the start information, and the struct boot that the functions fill.
struct protocol_reader {
	void *(*map)(struct range);
	// `mappable` is set.
	struct boot *boot;
	// The rule that refuses an address outside of it.
	enum status unreachable;
};

// Maps [at, at + size) and adds it to boot->start_info: it is needed until the block is written.
// False: out of reach.
must_check bool protocol_span(const struct protocol_reader *reader, uint64_t at, uint64_t size,
			      struct span *out);

// Reads a command line. If `most` is at most CMDLINE_MAX, the line ends at its NUL or after `most`
// bytes. Any larger value, such as UINT64_MAX, means that the line must have a NUL: without one in
// the first CMDLINE_MAX + 1 bytes it is refused.
must_check enum status protocol_cmdline(const struct protocol_reader *reader, uint64_t at,
					uint64_t most);

// Sets the application: the first of `count` modules.
must_check enum status protocol_app(const struct protocol_reader *reader, uint64_t at,
				    uint64_t size, uint32_t count);

// The same for Multiboot, where a module has an end instead of a size, and damaged addresses have a
// rule of their own.
must_check enum status protocol_module(const struct protocol_reader *reader, struct range app,
				       uint32_t count);

// Memory maps may be unsorted and overlap. Two passes make the more restrictive type win: the first
// adds RAM, the second removes everything else. The caller passes every entry in each pass.
enum protocol_pass { PROTOCOL_ADD_RAM, PROTOCOL_REMOVE_RESERVED };
must_check enum status protocol_memory_entry(const struct protocol_reader *reader,
					     enum protocol_pass pass, struct range range,
					     bool is_ram);
// Refuses a map without usable RAM. Call it after both passes.
must_check enum status protocol_require_memory(const struct protocol_reader *reader);

// Both passes for an E820 map (ACPI 6.5, 15.1): entries of `stride` bytes with address (8), size
// (8) and type (4). Type 1 is RAM.
must_check enum status protocol_e820(const struct protocol_reader *reader, struct span map,
				     size_t stride);

// Copies ACPI's root pointer, the RSDP (ACPI 6.5, 5.2.5.3). `at` is 0 if there is none. An invalid
// one is ignored with a warning.
void protocol_rsdp(const struct protocol_reader *reader, uint64_t at);
