// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "test/fake_pc.h"

#include <string.h>

#include "core/panic.h"
#include "proto/x86/protocol.h"

enum {
	MAGIC = 0x2badb002,
	FLAG_CMDLINE = 4,
	FLAG_MODULES = 8,
	FLAG_MMAP = 0x40,
	MODULE_SIZE = 16,
	USABLE = 1,
	RESERVED = 2,
};

static uint64_t end_of_parts(const struct fake_pc *pc)
{
	uint64_t end = fake_pc_cmdline_at(pc) + (pc->cmdline != NULL ? strlen(pc->cmdline) + 1 : 0);
	return align_up(end, PAGE_SIZE);
}

struct fake_pc fake_pc_default(uint64_t ram, const uint8_t *app, size_t app_size)
{
	struct fake_pc pc = {
		.ram = ram,
		.loader = { 0x100000, 0x114000 },
		.app = app,
		.app_size = app_size,
		.module_count = 1,
		.map = {
			{ 0, 0x9fc00, USABLE },
			{ 0x9fc00, 0x400, RESERVED },
			{ 0xf0000, 0x10000, RESERVED },
			{ MIB(1), ram - MIB(1), USABLE },
		},
		.map_count = 4,
		.compare = true,
	};
	return pc;
}

uint64_t fake_pc_modules_at(const struct fake_pc *pc)
{
	return align_up(pc->loader.end, PAGE_SIZE);
}

uint64_t fake_pc_cmdline_at(const struct fake_pc *pc)
{
	return fake_pc_modules_at(pc) + (uint64_t)MODULE_SIZE * pc->module_count;
}

static void put_info(const struct fake_pc *pc, uint64_t app_at)
{
	uint8_t *memory = fake_memory();
	memset(memory + FAKE_PC_INFO_AT, 0, 0x60);
	put32(FAKE_PC_INFO_AT, FLAG_MODULES | FLAG_MMAP | (pc->cmdline != NULL ? FLAG_CMDLINE : 0));
	if (pc->cmdline != NULL) {
		put32(FAKE_PC_INFO_AT + 16, fake_pc_cmdline_at(pc));
		memcpy(memory + fake_pc_cmdline_at(pc), pc->cmdline, strlen(pc->cmdline) + 1);
	}
	put32(FAKE_PC_INFO_AT + 20, pc->module_count);
	put32(FAKE_PC_INFO_AT + 24, fake_pc_modules_at(pc));
	for (uint32_t i = 0; i < pc->module_count; i++) {
		put32(fake_pc_modules_at(pc) + MODULE_SIZE * i, app_at);
		put32(fake_pc_modules_at(pc) + MODULE_SIZE * i + 4, app_at + pc->app_size);
	}
	put32(FAKE_PC_INFO_AT + 44, pc->map_count * 24);
	put32(FAKE_PC_INFO_AT + 48, FAKE_PC_MMAP_AT);
	for (size_t i = 0; i < pc->map_count; i++) {
		put32(FAKE_PC_MMAP_AT + 24 * i, 20);
		put64(FAKE_PC_MMAP_AT + 24 * i + 4, pc->map[i].address);
		put64(FAKE_PC_MMAP_AT + 24 * i + 12, pc->map[i].size);
		put32(FAKE_PC_MMAP_AT + 24 * i + 20, pc->map[i].type);
	}
}

// As multiboot_start() does.
static void start(void *context)
{
	const struct fake_pc *pc = context;
	static struct boot boot;
	boot = (struct boot){
		.target = "x86_64-multiboot",
		.protocol = "multiboot",
		.start_info_name = "Multiboot information",
		.loader = pc->loader,
		.mappable = { 0, FAKE_REACH },
		.elf_target = &elf_target_x86_64,
		.compatible = "hermit,multiboot",
		.start_kind = START_MULTIBOOT,
		.serial = 0x3f8,
	};
	boot_init(&fake_platform);
	enum status status = multiboot_read(MAGIC, FAKE_PC_INFO_AT, fake_map, &boot);
	if (status != STATUS_OK)
		die(status);
	boot_run(&boot);
}

const struct fake_outcome *fake_pc_boot(const struct fake_pc *pc)
{
	struct fake_pc copy = *pc;
	uint64_t app_at = pc->app_at != 0 ? pc->app_at : end_of_parts(pc);
	fake_open(pc->ram);
	if (pc->compare)
		memset(fake_memory(), FAKE_RAM_BYTE, pc->ram);
	put_info(pc, app_at);
	if (pc->app_size != 0)
		memcpy(fake_memory() + app_at, pc->app, pc->app_size);
	if (pc->compare)
		memcpy((uint8_t *)(uintptr_t)fake_before(), fake_memory(), pc->ram);
	fake_seal();
	console_open();
	const struct fake_outcome *outcome = fake_run(start, &copy);
	fake_unseal();
	return outcome;
}
