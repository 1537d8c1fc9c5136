// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// RawBootInfo of entry version 4 (crate hermit-entry 0.10, kernels since 0.7.0), x86_64: hardware block, load block, platform block.
#include "../span.h"
#include "../place.h"
#include "era.h"

enum {
	PHYS_START = 0,
	SERIAL_PORT = 16, // u16
	DEVICE_TREE = 24,
	IMAGE_START = 32,
	IMAGE_END = 40,
	TLS_START = 48,
	TLS_FILESZ = 56,
	TLS_MEMSZ = 64,
	TLS_ALIGN = 72,
	PLATFORM = 80, // u32; 0 is Multiboot
	CMDLINE = 88,
	CMDLINE_SIZE = 96,
	MULTIBOOT_INFO = 104,
	INFO_SIZE = 144,
};

void era_write_e4(uint8_t *out, const struct facts *facts)
{
	memset(out, 0, INFO_SIZE); // PLATFORM 0, physical end 0: the memory map comes from the device tree
	// Kernels count what lies below this as taken: with the image's unit they need 2 to 8 MiB less than with 0.
	store_u64(out + PHYS_START, align_down(facts->image.start, IMAGE_ALIGN), ORDER_LITTLE);
	store_u16(out + SERIAL_PORT, facts->serial_port, ORDER_LITTLE);
	store_u64(out + DEVICE_TREE, facts->fdt, ORDER_LITTLE);
	store_u64(out + IMAGE_START, facts->image.start, ORDER_LITTLE);
	store_u64(out + IMAGE_END, facts->image.end, ORDER_LITTLE);
	store_u64(out + TLS_START, facts->tls.vaddr, ORDER_LITTLE);
	store_u64(out + TLS_FILESZ, facts->tls.filesz, ORDER_LITTLE);
	store_u64(out + TLS_MEMSZ, facts->tls.memsz, ORDER_LITTLE);
	store_u64(out + TLS_ALIGN, facts->tls.align, ORDER_LITTLE);
	store_u64(out + CMDLINE, facts->cmdline, ORDER_LITTLE);
	store_u64(out + CMDLINE_SIZE, facts->cmdline_size, ORDER_LITTLE);
	store_u64(out + MULTIBOOT_INFO, facts->multiboot, ORDER_LITTLE);
}
