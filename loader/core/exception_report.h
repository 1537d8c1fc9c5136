// SPDX-License-Identifier: Apache-2.0 OR MIT
// Prints the report of a CPU exception. Only arch/<cpu>/exception.c includes this header.
//
// The handler runs at two addresses: at the loader's, and at the address that the trampoline was
// copied to. Therefore the functions are static, call nothing outside of the including file and use
// no tables of pointers. The including file defines put_char() and exception_hooks (trampoline.h).
#pragma once

#include "core/status.h"

static void put_char(char c);

static void put(const char *text)
{
	while (*text != '\0')
		put_char(*text++);
}

static void put_hex(uint64_t value)
{
	int shift = 60;
	put("0x");
	while (shift > 0 && value >> shift == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put_char("0123456789abcdef"[value >> shift & 15]);
}

static void put_decimal(unsigned value)
{
	if (value >= 10)
		put_decimal(value / 10);
	put_char((char)('0' + value % 10));
}

static void put_register(const char *name, uint64_t value)
{
	put_char(' ');
	put(name);
	put_char('=');
	put_hex(value);
}

// Prints an address and, if the symbol table knows it, the function that contains it.
static void put_location(uint64_t pc)
{
	uint64_t offset = 0;
	put_hex(pc);
	// The trampoline runs after the loader's memory may be overwritten, symbol table included.
	if (exception_hooks.symbol == NULL) {
		put(" (in the trampoline)");
		return;
	}
	const char *symbol = exception_hooks.symbol(pc, &offset);
	if (symbol != NULL) {
		put(" (");
		put(symbol);
		put_char('+');
		put_hex(offset);
		put_char(')');
	}
}

static void put_line_start(void)
{
	put("[LOADER][ERROR]");
}

// status_number() is not part of the trampoline, so the numbers are compiled in.
#define NUMBER_OF(name, number, class, rule, sentence) NUMBER_##name = number,
enum { STATUS_LIST(NUMBER_OF) };

// Prints the start of the line as log-style=level has it in a refusal: number and rule word.
static void put_cpu_exception(void)
{
	put_line_start();
	put_char(' ');
	put_decimal(NUMBER_CPU_EXCEPTION);
	put(" cpu-exception: ");
}
