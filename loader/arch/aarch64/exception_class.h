// SPDX-License-Identifier: Apache-2.0 OR MIT
// The text of an exception class (ESR_EL1.EC). Only exception.c includes this header, and a host
// test. The rules of core/exception_report.h apply.
#pragma once

#include "core/base.h"

// Classes that code at EL1 can raise while debug exceptions are masked, each followed by its text.
// An empty entry ends the list. One string, because pointers to strings would need relocations.
// clang-format off
static const char class_words[] =
	"\x07" "trapped fp\0"
	"\x0e" "illegal state\0"
	"\x15" "svc\0"
	"\x21" "instruction abort\0"
	"\x22" "pc alignment\0"
	"\x25" "data abort\0"
	"\x26" "sp alignment\0"
	"\x2f" "serror\0"
	"\x3c" "brk\0";
// clang-format on

static const char *class_word(uint64_t esr)
{
	const char *p = class_words;
	uint64_t wanted = esr >> 26 & 0x3f;
	if (wanted == 0)
		return "undefined instruction";
	while (*p != '\0' && (uint8_t)*p != wanted)
		while (*p++ != '\0')
			;
	return *p != '\0' ? p + 1 : "exception";
}
