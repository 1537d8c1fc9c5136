// SPDX-License-Identifier: Apache-2.0 OR MIT
// One function a target: libFuzzer calls it, or replay.c with files.
#pragma once

#include <string.h>

#include "test/fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { FUZZ_RAM = 0x40000, FUZZ_AT = 0x1000 };

// Start information from address FUZZ_AT: `read` accepts it and finds memory, or refuses it.
static inline int fuzz_protocol(const uint8_t *data, size_t n,
				enum status (*read)(struct boot *boot))
{
	static struct boot boot;
	boot = (struct boot){ .loader = { 0x100000, 0x110000 }, .mappable = { 0, FAKE_REACH } };
	console_open();
	fake_open(FUZZ_RAM);
	memset(fake_memory(), 0, FUZZ_RAM);
	memcpy(fake_memory() + FUZZ_AT, data, n < FUZZ_RAM - FUZZ_AT ? n : FUZZ_RAM - FUZZ_AT);
	fake_seal();
	if (read(&boot) == STATUS_OK && boot.usable.count == 0)
		__builtin_trap();
	fake_unseal();
	return 0;
}
