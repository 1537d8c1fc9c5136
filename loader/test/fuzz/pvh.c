// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// PVH start information (Xen's start_info.h), and the edits of microvm's command line.
#include "proto/x86/protocol.h"
#include "test/fuzz/fuzz.h"

static enum status read(struct boot *boot)
{
	static uint8_t line[CMDLINE_MAX];
	const enum status status = pvh_read(FUZZ_AT, fake_map, boot);
	if (status == STATUS_OK && boot->cmdline.n <= sizeof line) {
		if (boot->cmdline.n != 0)
			memcpy(line, boot->cmdline.p, boot->cmdline.n);
		FUZZ_CHECK(pvh_edit_cmdline(line, boot->cmdline.n) <= boot->cmdline.n);
	}
	return status;
}

static size_t entries(struct fuzz_entry *out, size_t room)
{
	const uint64_t map = fuzz_get(FUZZ_AT + 40, 8), count = fuzz_get(FUZZ_AT + 48, 4);
	for (size_t i = 0; i < count && i < room; i++)
		out[i] = (struct fuzz_entry){ fuzz_get(map + 24 * i, 8),
					      fuzz_get(map + 24 * i + 8, 8),
					      fuzz_get(map + 24 * i + 16, 4) == 1 };
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_protocol(data, n, read, entries);
	return 0;
}
