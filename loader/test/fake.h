// SPDX-License-Identifier: Apache-2.0 OR MIT
// A fake machine under the core: physical memory, console, stop, and the CPU's part of a hand-over.
//
// Nothing of the memory may be touched but what platform->map was asked for: everything else is
// poisoned for AddressSanitizer. Above the RAM, up to FAKE_REACH, reads give zero and writes fault.
#pragma once

#include <stdio.h>

#include "core/boot.h"
#include "core/handover.h"
#include "core/span.h"

#define FAKE_REACH GIB(4)
#define FAKE_RAM_BYTE 0xa5 // what fresh RAM is full of
// bytes of the trampoline, which are filled with FAKE_TRAMPOLINE_BYTE
#define FAKE_TRAMPOLINE_SIZE 777
#define FAKE_TRAMPOLINE_BYTE 0xcc

enum fake_end { FAKE_STOPPED, FAKE_HANDED_OVER };

struct fake_outcome {
	enum fake_end end;
	enum status status;       // FAKE_STOPPED
	struct handover handover; // FAKE_HANDED_OVER; its block is the one below
	struct handover_block block;
	unsigned leave_count; // calls of platform->leave_firmware
};

extern const struct platform fake_platform;

// Opens the log with a sink that keeps what is printed. console_text() ends with a NUL.
void console_open(void);
const char *console_text(void);
void console_mirror(FILE *to); // NULL: no

// RAM of `size` bytes from address 0 on; what a machine before had is gone. Poisoned from
// fake_seal() on.
void fake_open(uint64_t size);
uint8_t *fake_memory(void);
// from here on only what is mapped may be touched; keeps a copy for fake_before()
void fake_seal(void);
void fake_unseal(void); // the test may look at everything
const uint8_t *fake_before(void);
void *fake_map(struct range r);
// fake_map() returns NULL for larger ranges, as if page tables were missing
void fake_map_at_most(uint64_t size);
// the range of the embedded application; empty: it has none
void fake_embed(struct range at);

// Little-endian numbers at an address of the fake memory.
static inline void put16(uint64_t at, uint16_t value)
{
	store_u16(fake_memory() + at, value, ORDER_LITTLE);
}

static inline void put32(uint64_t at, uint64_t value) // the low half
{
	store_u32(fake_memory() + at, (uint32_t)value, ORDER_LITTLE);
}

static inline void put64(uint64_t at, uint64_t value)
{
	store_u64(fake_memory() + at, value, ORDER_LITTLE);
}

// Touching [p, p + n) is an error from here on (under AddressSanitizer), or allowed again.
void fake_poison(const uint8_t *p, uint64_t n);
void fake_unpoison(const uint8_t *p, uint64_t n);

// Calls `start` and comes back when the machine stops or is handed over.
const struct fake_outcome *fake_run(void (*start)(void *), void *context);
