// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Era e4: kernels since 0.7.0, on all CPUs. Boot info is RawBootInfo of entry version 4 (crate
// hermit-entry 0.10): hardware block, load block, platform block, in the CPU's byte order.
#include "core/era/era.h"
#include "core/span.h"

enum {
	PHYS_START = 0,
	PHYS_END = 8,
	// x86_64: u16 and padding. Other CPUs: u64.
	SERIAL = 16,
	DEVICE_TREE = 24,
	IMAGE_START = 32,
	IMAGE_END = 40,
	TLS_START = 48,
	TLS_FILESZ = 56,
	TLS_MEMSZ = 64,
	TLS_ALIGN = 72,
	// u32; its payload follows at 88.
	PLATFORM = 80,
	CMDLINE = 88,
	CMDLINE_SIZE = 96,
	// Multiboot information or Linux's boot_params. NonZeroU64 in the kernel: never 0 if the
	// tag has a payload.
	PLATFORM_INFO = 104,
	// RawBootInfo has 128 bytes. The rest is zero.
	INFO_SIZE = 144,
};

static void write_info(uint8_t *out, const struct boot_info_inputs *facts)
{
	const enum order order = facts->order;
	memset(out, 0, INFO_SIZE);
	store_u64(out + PHYS_START, facts->ram.start, order);
	store_u64(out + PHYS_END, facts->ram.end, order);
	// An I/O port has two bytes, which come first in x86_64's byte order.
	store_u64(out + SERIAL, facts->serial, order);
	store_u64(out + DEVICE_TREE, facts->fdt, order);
	store_u64(out + IMAGE_START, facts->image.start, order);
	store_u64(out + IMAGE_END, facts->image.end, order);
	store_u64(out + TLS_START, facts->tls.vaddr, order);
	store_u64(out + TLS_FILESZ, facts->tls.filesz, order);
	store_u64(out + TLS_MEMSZ, facts->tls.memsz, order);
	store_u64(out + TLS_ALIGN, facts->tls.align, order);
	store_u32(out + PLATFORM, facts->platform_tag, order);
	uint64_t info = facts->platform_tag == PLATFORM_TAG_LINUX_PARAMS ? facts->boot_params
									 : facts->multiboot;
	// Fdt and LinuxBoot have no payload: the kernel reads the device tree instead. LinuxBoot
	// has the number of Multiboot, but there is no Multiboot information.
	if (facts->platform_tag == PLATFORM_TAG_FDT || info == 0)
		return;
	store_u64(out + CMDLINE, facts->cmdline, order);
	store_u64(out + CMDLINE_SIZE, facts->cmdline_size, order);
	store_u64(out + PLATFORM_INFO, info, order);
}

const struct era era_e4 = {
	.name = "e4",
	.entry_version = 4,
	.stack_low_end = true,
	.stack_size = 0x8000,
	.info_size = INFO_SIZE,
	.shape = { .recursive = true },
	.write_info = write_info,
};
