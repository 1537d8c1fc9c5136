// SPDX-License-Identifier: Apache-2.0 OR MIT
// Portable memcpy(), memmove() and memset(). A CPU may replace them with arch/<cpu>/mem.*. The host
// uses libc's and tests these with the prefix MEM_PREFIX. target.mk compiles this file so that the
// compiler does not replace each loop with a call of the same function.
#include "core/base.h"

#ifdef MEM_PREFIX
#define MEM_NAME2(prefix, name) prefix##name
#define MEM_NAME1(prefix, name) MEM_NAME2(prefix, name)
#define MEM(name) MEM_NAME1(MEM_PREFIX, name)
void *MEM(memcpy)(void *restrict to, const void *restrict from, size_t n);
void *MEM(memmove)(void *to, const void *from, size_t n);
void *MEM(memset)(void *to, int byte, size_t n);
#else
#define MEM(name) name
#endif

void *MEM(memcpy)(void *restrict to, const void *restrict from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;
	while (n-- > 0)
		*t++ = *f++;
	return to;
}

void *MEM(memmove)(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;
	if (t <= f) {
		while (n-- > 0)
			*t++ = *f++;
	} else {
		while (n-- > 0)
			t[n] = f[n];
	}
	return to;
}

void *MEM(memset)(void *to, int byte, size_t n)
{
	uint8_t *t = to;
	while (n-- > 0)
		*t++ = (uint8_t)byte;
	return to;
}
