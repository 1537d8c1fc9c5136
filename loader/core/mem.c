// SPDX-License-Identifier: Apache-2.0 OR MIT
// memcmp() for every CPU: it is in no hot path. arch/<cpu>/mem.* has the other mem functions.
#include "core/base.h"

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	for (; n > 0; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
