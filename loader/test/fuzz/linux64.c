// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a starter of 64-bit Linux kernels left, from address 0x1000 on.
#include <string.h>

#include "../../proto/linux64/linux64.h"
#include "fuzz.h"

enum { RAM = 0x40000, PARAMS = 0x1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct boot boot;
	boot = (struct boot){ .loader = { 0x100000, 0x110000 }, .reach = { 0, FAKE_REACH } };
	console_open();
	fake_open(RAM);
	memset(fake_memory(), 0, RAM);
	memcpy(fake_memory() + PARAMS, data, n < RAM - PARAMS ? n : RAM - PARAMS);
	fake_seal();
	if (linux64_read(PARAMS, fake_map, &boot) == STATUS_OK && boot.usable.count == 0)
		__builtin_trap();
	fake_unseal();
	return 0;
}
