// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Multiboot information (Multiboot Specification 0.6.96, 3.3).
#include "proto/x86/protocol.h"
#include "test/fuzz/fuzz.h"

static enum status read(struct boot *boot)
{
	return multiboot_read(0x2badb002, FUZZ_AT, fake_map, boot);
}

static size_t entries(struct fuzz_entry *out, size_t room)
{
	size_t count = 0;
	const uint64_t map = fuzz_get(FUZZ_AT + 48, 4), end = map + fuzz_get(FUZZ_AT + 44, 4);
	if ((fuzz_get(FUZZ_AT, 4) & 0x40) == 0) {
		out[0] = (struct fuzz_entry){ 0, fuzz_get(FUZZ_AT + 4, 4) << 10, true };
		out[1] = (struct fuzz_entry){ MIB(1), fuzz_get(FUZZ_AT + 8, 4) << 10, true };
		return 2;
	}
	for (uint64_t at = map; at < end; at += 4 + fuzz_get(at, 4), count++) {
		if (count >= room)
			return room + 1;
		out[count] = (struct fuzz_entry){ fuzz_get(at + 4, 8), fuzz_get(at + 12, 8),
						  fuzz_get(at + 20, 4) == 1 };
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_protocol(data, n, read, entries);
	return 0;
}
