// SPDX-License-Identifier: Apache-2.0 OR MIT
// A fake PC as QEMU's Multiboot starter leaves it.
#pragma once

#include <stdio.h>

#include "test/fake.h"

#define PC_MMAP_AT 0x9000 // entries of 24 bytes
#define PC_INFO_AT 0x9f00
#define PC_MMAP_MAX ((PC_INFO_AT - PC_MMAP_AT) / 24)

struct pc_range {
	uint64_t address, size;
	uint32_t type;
};

// Everything that may be changed before pc_boot().
struct pc {
	uint64_t ram; // bytes, from 0 on
	struct range loader;
	const uint8_t *app;
	size_t app_size;
	// page behind loader, module list and command line unless changed
	uint64_t app_at;
	uint32_t app_count;
	const char *cmdline; // NULL: not given
	struct pc_range map[PC_MMAP_MAX];
	size_t map_count;
	bool compare; // keep a copy of the memory as it was before
};

// Loader at 0x100000..0x114000; usable 0..0x9fc00 and 1 MiB..ram; one application.
struct pc pc_default(uint64_t ram, const uint8_t *app, size_t app_size);

// Puts everything into fake memory and runs the loader on it.
const struct fake_outcome *pc_boot(const struct pc *pc);

// Where the module list and the command line behind it are, and what else the starter left.
uint64_t pc_list_at(const struct pc *pc);
uint64_t pc_cmdline_at(const struct pc *pc);
