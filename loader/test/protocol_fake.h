// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the tests of the boot protocols share: a struct boot that is read out of fake memory of
// 256 KiB, and looks at it.
#pragma once

#include "test/fake.h"

enum { PROTOCOL_RAM = 0x40000 };

extern struct boot protocol_boot;

// Zeroes the memory.
void protocol_clear(void);

// Around a call of a protocol's reader: a fresh struct boot and console, memory sealed; afterwards
// it may be looked at. Gives `status` back.
void protocol_begin(void);
enum status protocol_end(enum status status);

// The addresses of the start information, the command line and the first of the applications.
void check_parsed(uint64_t info_at, const char *line, unsigned apps, uint64_t app_at,
		  uint64_t app_size);
// The usable ranges as "0-9fc00 100000-4000000 ".
void check_usable(const char *want);
// Whether exactly this is kept from being written.
bool is_start_info(uint64_t from, uint64_t to);
// Flips every bit of these `count` places, one bit a run, in what `start` puts there: booted, or
// refused because of the start information.
void check_flips(void (*start)(void), enum status (*run)(void), const struct range *places,
		 size_t count);
