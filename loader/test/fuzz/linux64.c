// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// boot_params with its E820 map (Linux, Documentation/arch/x86/zero-page.rst).
#include "proto/x86/protocol.h"
#include "test/fuzz/fuzz.h"

static enum status read(struct boot *boot)
{
	return linux64_read(FUZZ_AT, fake_map, boot);
}

static size_t entries(struct fuzz_entry *out, size_t room)
{
	const uint64_t map = FUZZ_AT + 0x2d0, count = fuzz_get(FUZZ_AT + 0x1e8, 1);
	for (size_t i = 0; i < count && i < room; i++)
		out[i] = (struct fuzz_entry){ fuzz_get(map + 20 * i, 8),
					      fuzz_get(map + 20 * i + 8, 8),
					      fuzz_get(map + 20 * i + 16, 4) == 1 };
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_protocol(data, n, read, entries);
	return 0;
}
