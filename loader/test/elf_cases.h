// SPDX-License-Identifier: Apache-2.0 OR MIT
// Tables of small changes to a valid ELF file.
#pragma once

#include "core/elf.h"
#include "test/elf_builder.h"
#include "test/fake.h"
#include "test/test.h"

struct elf_case {
	enum status status;
	const char *text; // NULL: the file is good
	void (*change)(struct elf_spec *s);
};

// The body of a case: statements about `s`.
#define CHANGE(id, ...)                    \
	static void id(struct elf_spec *s) \
	{                                  \
		__VA_ARGS__;               \
	}

#define RUN(...)                                                \
	static const struct elf_case cases[] = { __VA_ARGS__ }; \
	elf_run_cases(cases, countof(cases))

// Parses the file for x86_64.
enum status elf_parse_spec(const struct elf_spec *spec, struct elf_image *out);

// Parses the default file with each change, and compares the whole line of the refusal.
void elf_run_cases(const struct elf_case *cases, size_t count);
