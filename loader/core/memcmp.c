// SPDX-License-Identifier: Apache-2.0 OR MIT
// Not in mem.c: CPUs that replace mem.c share this function. It is not in any hot path.
#include "core/base.h"

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	for (; n > 0; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
