// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Multiboot2 information (Multiboot2 Specification 2.0, 3.4).
#include "proto/x86/protocol.h"
#include "test/fuzz/fuzz.h"

static enum status read(struct boot *boot)
{
	return multiboot2_read(0x36d76289, FUZZ_AT, fake_map, boot);
}

// The first memory map.
static size_t entries(struct fuzz_entry *out, size_t room)
{
	uint64_t tag = FUZZ_AT + 8;
	size_t count = 0;
	while (fuzz_get(tag, 4) != 6)
		tag += (fuzz_get(tag + 4, 4) + 7) & ~UINT64_C(7);
	const uint64_t end = tag + fuzz_get(tag + 4, 4), size = fuzz_get(tag + 8, 4);
	for (uint64_t at = tag + 16; at + size <= end; at += size, count++) {
		if (count >= room)
			return room + 1;
		out[count] = (struct fuzz_entry){ fuzz_get(at, 8), fuzz_get(at + 8, 8),
						  fuzz_get(at + 16, 4) == 1 };
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_protocol(data, n, read, entries);
	return 0;
}
