// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "dev/sbi.h"

enum {
	LEGACY_PUTCHAR = 1,
	LEGACY_SHUTDOWN = 8,
	BASE = 0x10,
	BASE_PROBE = 3,
	DEBUG_CONSOLE = 0x4442434e,
	DEBUG_CONSOLE_WRITE = 0,
	HART_STATE = 0x48534d,
	SYSTEM_RESET = 0x53525354,
	SYSTEM_RESET_RESET = 0,
	RESET_SHUTDOWN = 0,
	REASON_FAILURE = 1,
	FINISHER_FAIL = 0x3333,
};

struct result {
	long error;
	uint64_t value;
};

static bool has_debug_console;
static uint64_t finisher;

// Legacy calls take no function number and return nothing but the error.
static struct result call(uint64_t extension, uint64_t function, uint64_t arg0, uint64_t arg1,
			  uint64_t arg2)
{
	register uint64_t a0 __asm__("a0") = arg0;
	register uint64_t a1 __asm__("a1") = arg1;
	register uint64_t a2 __asm__("a2") = arg2;
	register uint64_t a6 __asm__("a6") = function;
	register uint64_t a7 __asm__("a7") = extension;
	__asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
	return (struct result){ (long)a0, a1 };
}

static bool probe(uint64_t extension)
{
	struct result result = call(BASE, BASE_PROBE, extension, 0, 0);
	return result.error == 0 && result.value != 0;
}

void sbi_open(void)
{
	has_debug_console = probe(DEBUG_CONSOLE);
}

void sbi_write(const char *bytes, size_t n)
{
	while (has_debug_console && n > 0) {
		struct result result = call(DEBUG_CONSOLE, DEBUG_CONSOLE_WRITE, n, (uint64_t)bytes,
					    0);
		if (result.error != 0 || result.value > n)
			break;
		bytes += result.value;
		n -= result.value;
	}
	for (; n > 0; n--)
		call(LEGACY_PUTCHAR, 0, (uint8_t)*bytes++, 0, 0);
}

bool sbi_starts_harts(void)
{
	return probe(HART_STATE);
}

void sbi_set_finisher(uint64_t address)
{
	finisher = address;
}

// QEMU ends a while after the write; asked by another way in the meantime, it would end with that
// one's status. 2^23 ticks are 0.8 s there.
static void wait_for_the_end(void)
{
	uint64_t begin, now;
	__asm__ volatile("rdtime %0" : "=r"(begin));
	do
		__asm__ volatile("rdtime %0" : "=r"(now));
	while (now - begin < 1 << 23);
}

noreturn void sbi_shutdown(unsigned number)
{
	if (finisher != 0) {
		*(volatile uint32_t *)finisher = number << 16 | FINISHER_FAIL;
		wait_for_the_end();
	}
	if (probe(SYSTEM_RESET))
		call(SYSTEM_RESET, SYSTEM_RESET_RESET, RESET_SHUTDOWN, REASON_FAILURE, 0);
	call(LEGACY_SHUTDOWN, 0, 0, 0, 0);
	for (;;)
		__asm__ volatile("wfi" : : : "memory");
}
