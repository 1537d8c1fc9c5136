// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/boot.h"

// Made by loader.mk. The size is no difference of two addresses, so that the compiler cannot know
// that it is never 0.
extern const uint8_t embedded_file[];
extern const uint64_t embedded_size;

bool embedded_app(struct boot *boot)
{
	if (embedded_size == 0)
		return false;
	boot->app = (struct span){ embedded_file, embedded_size };
	// every CPU's loader sees itself where it lies
	boot->app_at = (uint64_t)embedded_file;
	boot->module_count = 1;
	return true;
}
