// SPDX-License-Identifier: Apache-2.0 OR MIT
// A target is one function, which libFuzzer calls, or replay.c with files. Findings are what the
// sanitizers report, and FUZZ_CHECK.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

// The structure-aware mutators. LLVMFuzzerMutate() is libFuzzer's own, for the rest.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t room);

#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))

static inline noreturn void fuzz_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: not true: %s\n%s", file, line, condition, console_text());
	abort();
}

enum { FUZZ_RAM = 0x40000, FUZZ_AT = 0x1000 };

// An entry of a memory map, as the target has read it.
struct fuzz_entry {
	uint64_t start, size;
	bool is_ram;
};

// Start information from address FUZZ_AT: `read` accepts it, or refuses it. `entries` reads the
// memory map of accepted information a second time: it writes up to `room` entries and returns how
// many there are. What is usable must be what some entry calls RAM and no entry calls otherwise.
void fuzz_protocol(const uint8_t *data, size_t n, enum status (*read)(struct boot *boot),
		   size_t (*entries)(struct fuzz_entry *out, size_t room));

// Little-endian numbers of the fake memory; 0 outside of it.
uint64_t fuzz_get(uint64_t at, unsigned size);
