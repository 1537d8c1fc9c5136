// SPDX-License-Identifier: Apache-2.0 OR MIT
// How the report of a CPU exception is printed. For arch/*/exception.c only, which is run at two
// places: hence functions of that file itself, no calls out, no tables of pointers. The file
// defines put_char() and, in trampoline.h, exception_hooks.
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

// The address, and the function that it is in where that is known.
static void put_location(uint64_t pc)
{
	uint64_t offset = 0;
	put_hex(pc);
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

#define NUMBER_OF(name, number, class, rule, sentence) NUMBER_##name = number,
enum { STATUS_LIST(NUMBER_OF) };

// The first words, as every refusal has them.
static void put_cpu_exception(void)
{
	put_line_start();
	put_char(' ');
	put_decimal(NUMBER_CPU_EXCEPTION);
	put(" cpu-exception: ");
}
