// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Load options; the first byte says whether the shell gives them.
#include <stdlib.h>

#include "proto/uefi/options.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct load_options found;
	if (n == 0)
		return 0;
	uint32_t size = (uint32_t)(n - 1);
	char *out = malloc(options_bound(size) + 1);
	if (options_read(data + 1, size, data[0] % 2 != 0, out, &found) &&
	    found.size > options_bound(size))
		__builtin_trap();
	free(out);
	return 0;
}
