// SPDX-License-Identifier: Apache-2.0 OR MIT
// A fake PC in the state in which QEMU starts a Multiboot kernel.
#pragma once

#include <stdio.h>

#include "test/fake.h"

#define FAKE_PC_MMAP_AT 0x9000 // entries of 24 bytes
#define FAKE_PC_INFO_AT 0x9f00
#define FAKE_PC_MMAP_MAX ((FAKE_PC_INFO_AT - FAKE_PC_MMAP_AT) / 24)

struct fake_pc_range {
	uint64_t address, size;
	uint32_t type;
};

// Everything that may be changed before fake_pc_boot().
struct fake_pc {
	uint64_t ram; // bytes, from 0 on
	struct range loader;
	const uint8_t *app;
	size_t app_size;
	// page after loader, module list and command line unless changed
	uint64_t app_at;
	uint32_t module_count;
	const char *cmdline; // NULL: not given
	struct fake_pc_range map[FAKE_PC_MMAP_MAX];
	size_t map_count;
	bool compare; // keep a copy of the memory as it was before
};

// Loader at 0x100000..0x114000; usable 0..0x9fc00 and 1 MiB..ram; one application.
struct fake_pc fake_pc_default(uint64_t ram, const uint8_t *app, size_t app_size);

// Puts everything into fake memory and runs the loader on it.
const struct fake_outcome *fake_pc_boot(const struct fake_pc *pc);

// The addresses of the module list, of the command line after it and of further start information.
uint64_t fake_pc_modules_at(const struct fake_pc *pc);
uint64_t fake_pc_cmdline_at(const struct fake_pc *pc);
