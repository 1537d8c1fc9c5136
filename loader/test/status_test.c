// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "test/test.h"

#include <string.h>

static const struct {
	unsigned number;
	const char *class, *rule, *sentence;
} list[] = { { 0, "", "", "" }, // STATUS_OK
#define X(name, number, class, rule, sentence) { number, class, rule, sentence },
	     STATUS_LIST(X)
#undef X
};

static void functions_agree_with_the_list(void)
{
	CHECK_EQ(countof(list), STATUS_COUNT);
	CHECK_EQ(status_number(STATUS_OK), 0);
	for (unsigned i = 1; i < STATUS_COUNT; i++) {
		CHECK_EQ(status_number((enum status)i), list[i].number);
		CHECK_STR(status_word((enum status)i), list[i].rule);
	}
}

// isa-debug-exit can only say odd numbers; 65 to 119 are used neither by QEMU nor by a shell.
static void numbers_can_leave_the_machine(void)
{
	for (unsigned i = 1; i < STATUS_COUNT; i++) {
		test_case("%s", list[i].rule);
		CHECK(list[i].number % 2 == 1);
		CHECK(list[i].number >= 65 && list[i].number <= 119);
	}
}

static void a_number_is_a_class_and_a_rule_is_named_once(void)
{
	for (unsigned i = 1; i < STATUS_COUNT; i++) {
		for (unsigned other = 1; other < i; other++) {
			test_case("%s and %s", list[i].rule, list[other].rule);
			CHECK((list[i].number == list[other].number) ==
			      (strcmp(list[i].class, list[other].class) == 0));
			CHECK(strcmp(list[i].rule, list[other].rule) != 0);
		}
	}
}

static void words_are_lower_case_and_hyphens(void)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	for (unsigned i = 1; i < STATUS_COUNT; i++) {
		test_case("%s", list[i].rule);
		CHECK(strspn(list[i].rule, allowed) == strlen(list[i].rule) &&
		      list[i].rule[0] != '\0');
		CHECK(strspn(list[i].class, allowed) == strlen(list[i].class) &&
		      list[i].class[0] != '\0');
		CHECK(list[i].sentence[0] != '\0' && strpbrk(list[i].sentence, "\t\n") == NULL);
	}
}

SUITE(status, { "functions_agree_with_the_list", functions_agree_with_the_list },
      { "numbers_can_leave_the_machine", numbers_can_leave_the_machine },
      { "a_number_is_a_class_and_a_rule_is_named_once",
	a_number_is_a_class_and_a_rule_is_named_once },
      { "words_are_lower_case_and_hyphens", words_are_lower_case_and_hyphens });
