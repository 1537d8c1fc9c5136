// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Era e1: kernels 0.4.3 and 0.4.4 on x86_64 (crate hermit-entry 0.1.3 to 0.8). With loader.era=e1
// also kernels 0.3.10 to 0.4.2, which have no note and read the same bytes. Fields that are not
// written are 0. The kernel reads and writes boot info as long as it runs.
#include "core/era/era.h"
#include "core/span.h"

enum {
	MAGIC = 0,   // u32
	VERSION = 4, // u32
	BASE = 8,
	IMAGE_SIZE = 24,
	TLS_START = 32,
	TLS_FILESZ = 40,
	TLS_MEMSZ = 48,
	// Low end of the stack.
	STACK = 56,
	MULTIBOOT_INFO = 88,
	CMDLINE = 96,
	CMDLINE_SIZE = 104,
	BOOT_PROCESSOR = 116, // u32
	SERIAL_PORT = 132,    // u16
	SINGLE_KERNEL = 134,  // u8
	ADDRESS = 136,        // u8[4], like the next two: guest, gateway, netmask
	GATEWAY = 140,
	NETMASK = 144,
	TLS_ALIGN = 152,
	INFO_SIZE = 160,

	MAGIC_VALUE = 0xc0decafe,
	NO_PROCESSOR = 0xffffffff,
};

static void write_info(uint8_t *out, const struct boot_info_inputs *facts)
{
	// The end of RAM stays 0: the kernel takes the memory map from the Multiboot information.
	// A CPU frequency of 0 means unknown.
	memset(out, 0, INFO_SIZE);
	store_u32(out + MAGIC, MAGIC_VALUE, ORDER_LITTLE);
	store_u32(out + VERSION, 1, ORDER_LITTLE);
	store_u64(out + BASE, facts->image.start, ORDER_LITTLE);
	store_u64(out + IMAGE_SIZE, range_size(facts->image), ORDER_LITTLE);
	store_u64(out + TLS_START, facts->tls.vaddr, ORDER_LITTLE);
	store_u64(out + TLS_FILESZ, facts->tls.filesz, ORDER_LITTLE);
	store_u64(out + TLS_MEMSZ, facts->tls.memsz, ORDER_LITTLE);
	store_u64(out + STACK, facts->stack, ORDER_LITTLE);
	store_u64(out + MULTIBOOT_INFO, facts->multiboot, ORDER_LITTLE);
	store_u64(out + CMDLINE, facts->cmdline, ORDER_LITTLE);
	store_u64(out + CMDLINE_SIZE, facts->cmdline_size, ORDER_LITTLE);
	store_u32(out + BOOT_PROCESSOR, NO_PROCESSOR, ORDER_LITTLE);
	store_u16(out + SERIAL_PORT, (uint16_t)facts->serial, ORDER_LITTLE);
	out[SINGLE_KERNEL] = 1;
	// 255.255.255.255: unset.
	store_u32(out + ADDRESS, 0xffffffff, ORDER_LITTLE);
	store_u32(out + GATEWAY, 0xffffffff, ORDER_LITTLE);
	// 255.255.255.0, the first byte first.
	store_u32(out + NETMASK, 0x00ffffff, ORDER_LITTLE);
	store_u64(out + TLS_ALIGN, facts->tls.align, ORDER_LITTLE);
}

const struct era era_e1 = {
	.name = "e1",
	.entry_version = 1,
	.machine = 62, // EM_X86_64
	.stack_low_end = false,
	.stack_size = 0x8000,
	.info_size = INFO_SIZE,
	.info_own_page = true,
	.shape = { .recursive = true },
	.write_info = write_info,
};
