// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// SBI calls for console and shutdown.
#include "dev/sbi.h"

// SBI 2.0: chapters 4 (base), 5 (legacy), 9 (HSM), 10 (system reset), 12 (debug console).
enum {
	LEGACY_PUTCHAR = 1,
	LEGACY_SHUTDOWN = 8,
	BASE = 0x10,
	BASE_IMPL_ID = 1,
	BASE_IMPL_VERSION = 2,
	BASE_PROBE = 3,
	OPENSBI = 1,
	OPENSBI_1_3 = 1 << 16 | 3,
	DBCN = 0x4442434e,
	DBCN_WRITE = 0,
	HSM = 0x48534d,
	HSM_START = 0,
	HSM_STATUS = 2,
	HSM_STOPPED = 1,
	SRST = 0x53525354,
	SRST_RESET = 0,
	RESET_SHUTDOWN = 0,
	REASON_FAILURE = 1,
	FINISHER_FAIL = 0x3333, // low half; the high half is QEMU's exit status
};

struct result {
	long error;
	uint64_t value;
};

static bool has_dbcn;
static uint64_t finisher;

// Chapter 3: a7 = extension, a6 = function, results in a0 and a1. Legacy calls ignore a6 and return
// only a0.
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
	has_dbcn = probe(DBCN);
}

void sbi_write(const char *bytes, size_t n)
{
	// DBCN may accept fewer bytes than it is given.
	while (has_dbcn && n > 0) {
		struct result result = call(DBCN, DBCN_WRITE, n, (uint64_t)bytes, 0);
		if (result.error != 0 || result.value > n)
			break;
		bytes += result.value;
		n -= result.value;
	}
	for (; n > 0; n--)
		call(LEGACY_PUTCHAR, 0, (uint8_t)*bytes++, 0, 0);
}

bool sbi_has_hsm(void)
{
	return probe(HSM);
}

// OpenSBI before 1.3 first marks a hart as to be started, then writes where. A hart that has not
// run since the cold boot polls the mark, since the wake-up of the cold boot is still pending. It
// can start in between, at the loader instead of the kernel's address. A hart that has stopped
// itself sleeps until the address is written. (OpenSBI's commit e8e9ed37.)
void sbi_settle_harts(uint64_t harts, uint64_t entry)
{
	if (call(BASE, BASE_IMPL_ID, 0, 0, 0).value != OPENSBI ||
	    call(BASE, BASE_IMPL_VERSION, 0, 0, 0).value >= OPENSBI_1_3)
		return;
	for (uint64_t hart = 0; hart < 64; hart++) {
		if ((harts >> hart & 1) == 0 || call(HSM, HSM_START, hart, entry, 0).error != 0)
			continue;
		// A hart that never arrives costs this many calls, 0.1 s to 1 s.
		for (unsigned tries = 1 << 20; tries != 0; tries--)
			if (call(HSM, HSM_STATUS, hart, 0, 0).value == HSM_STOPPED)
				break;
	}
}

void sbi_set_finisher(uint64_t address)
{
	finisher = address;
}

// QEMU exits only some time after the write. A system reset in the meantime would replace the exit
// status. QEMU's time base has 10 MHz: 2^23 ticks are 0.8 s.
static void wait_for_exit(void)
{
	uint64_t start, now;
	__asm__ volatile("rdtime %0" : "=r"(start));
	do
		__asm__ volatile("rdtime %0" : "=r"(now));
	while (now - start < 1 << 23);
}

noreturn void sbi_shutdown(unsigned number)
{
	if (finisher != 0) {
		*(volatile uint32_t *)finisher = number << 16 | FINISHER_FAIL;
		wait_for_exit();
	}
	if (probe(SRST))
		call(SRST, SRST_RESET, RESET_SHUTDOWN, REASON_FAILURE, 0);
	call(LEGACY_SHUTDOWN, 0, 0, 0, 0);
	for (;;)
		__asm__ volatile("wfi" : : : "memory");
}
