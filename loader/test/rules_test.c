// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Runs last.
#include "test/test.h"

static const char *const rules[] = { "", // STATUS_OK
#define X(name, number, class, rule, sentence) rule,
				     STATUS_LIST(X)
#undef X
};

// These come from code that runs only on the machine.
static bool is_of_the_machine(unsigned status)
{
	return status == STATUS_CPU_NO_LONG_MODE || status == STATUS_CPU_EXCEPTION;
}

static void each_rule_was_broken_by_some_test(void)
{
	for (unsigned i = 1; i < STATUS_COUNT && all_tests_run; i++) {
		test_case("%s", rules[i]);
		CHECK(status_seen[i] != is_of_the_machine(i));
	}
}

SUITE(rules, { "each_rule_was_broken_by_some_test", each_rule_was_broken_by_some_test });
