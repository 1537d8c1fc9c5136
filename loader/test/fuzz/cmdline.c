// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A command line: options, UTF-8, and what is left for the application.
#include <stdlib.h>

#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct loader_options options = { 0 };
	static const uint8_t empty[1];
	struct span line = { n != 0 ? data : empty, n };
	console_open();
	char *out = malloc(n + 1);
	if (cmdline_options(line, &options) == STATUS_OK && cmdline_strip(line, out) > n)
		__builtin_trap();
	free(out);
	return 0;
}
