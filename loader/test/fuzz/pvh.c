// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// What a starter of PVH guests left, from address 0x1000 on.
#include <string.h>

#include "../../proto/pvh/pvh.h"
#include "fuzz.h"

enum { RAM = 0x40000, INFO = 0x1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct boot boot;
	boot = (struct boot){ .loader = { 0x100000, 0x110000 }, .reach = { 0, FAKE_REACH } };
	console_open();
	fake_open(RAM);
	memset(fake_memory(), 0, RAM);
	memcpy(fake_memory() + INFO, data, n < RAM - INFO ? n : RAM - INFO);
	fake_seal();
	if (pvh_read(INFO, fake_map, &boot) == STATUS_OK && boot.usable.count == 0)
		__builtin_trap();
	fake_unseal();
	return 0;
}
