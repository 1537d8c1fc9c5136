// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Load options; the first byte says whether the shell gives them.
#include "proto/uefi/options.h"
#include "core/cmdline.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct load_options found;
	if (n == 0)
		return 0;
	console_open();
	uint32_t size = (uint32_t)(n - 1);
	uint8_t *options = malloc(size);
	if (size != 0)
		memcpy(options, data + 1, size);
	char *out = malloc(options_bound(size));
	if (options_read(options, size, data[0] % 2 != 0, out, &found)) {
		const struct span text = { (const uint8_t *)out, found.size };
		FUZZ_CHECK(found.size <= options_bound(size));
		FUZZ_CHECK(utf8_prefix(text) == found.size);
		FUZZ_CHECK(found.size == 0 || memchr(out, '\0', found.size) == NULL);
		// A path without its NUL would be read beyond its end.
		bool ended = !found.has_initrd;
		for (size_t i = 0; i < countof(found.initrd) && found.has_initrd; i++)
			ended = ended || found.initrd[i] == 0;
		FUZZ_CHECK(ended);
	}
	free(out);
	free(options);
	return 0;
}
