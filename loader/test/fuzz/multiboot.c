// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/x86/protocol.h"
#include "test/fuzz/fuzz.h"

static enum status read(struct boot *boot)
{
	return multiboot_read(0x2badb002, FUZZ_AT, fake_map, boot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	return fuzz_protocol(data, n, read);
}
