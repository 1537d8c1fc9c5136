// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "arch/aarch64/exception_class.h"
#include "test/test.h"

// Numbers of Arm DDI 0487, ESR_EL1. Classes without a text are those that EL1 cannot raise: wfi and
// registers of EL0, HVC and SMC of EL2, debug exceptions of EL0 and, masked, of EL1.
static void words_of_classes(void)
{
	static const struct {
		uint64_t class;
		const char *word;
	} rows[] = {
		{ 0x00, "undefined instruction" },
		{ 0x07, "trapped fp" },
		{ 0x0e, "illegal state" },
		{ 0x15, "svc" },
		{ 0x21, "instruction abort" },
		{ 0x22, "pc alignment" },
		{ 0x25, "data abort" },
		{ 0x26, "sp alignment" },
		{ 0x2f, "serror" },
		{ 0x3c, "brk" },
	};
	for (uint64_t class = 0; class < 64; class++) {
		const char *want = "exception";
		for (size_t i = 0; i < countof(rows); i++)
			if (rows[i].class == class)
				want = rows[i].word;
		test_case("class %#lx", class);
		// Bits outside of the class do not matter.
		CHECK_STR(class_word(~(UINT64_C(63) << 26) | class << 26), want);
	}
}

#define T(name) { #name, name }
SUITE(exception_aarch64, T(words_of_classes));
