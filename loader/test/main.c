// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// loader-test [WORD]: runs all tests, or those whose suite.name contains WORD.
#include "test/test.h"

#include <stdarg.h>
#include <string.h>

#include "test/fake.h"

#define SUITES(X)         \
	X(status)         \
	X(span)           \
	X(range)          \
	X(fmt)            \
	X(log)            \
	X(mem)            \
	X(elf)            \
	X(elf_good)       \
	X(notes)          \
	X(place)          \
	X(load)           \
	X(fdt)            \
	X(cmdline)        \
	X(era)            \
	X(era_e1)         \
	X(handover_block) \
	X(paging)         \
	X(paging_aarch64) \
	X(multiboot)      \
	X(pvh)            \
	X(linux64)        \
	X(uefi_options)   \
	X(uefi)           \
	X(boot)           \
	X(devicetree)     \
	X(sweep)          \
	X(rules)

#define DECLARE(id) extern const struct suite id##_suite;
SUITES(DECLARE)

static const struct suite *const suites[] = {
#define NAME(id) &id##_suite,
	SUITES(NAME)
};

bool status_seen[STATUS_COUNT];
bool all_tests_run; // not only some

enum { FAILURES_SHOWN = 20 }; // of one test

static struct {
	char name[100];
	char text[200]; // of the case
	unsigned failures;
} now;

void test_case(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(now.text, sizeof now.text, format, args);
	va_end(args);
}

static bool failed(const char *file, int line)
{
	now.failures++;
	if (now.failures > FAILURES_SHOWN)
		return false;
	printf("%s:%d: %s%s%s: ", file, line, now.name, now.text[0] != '\0' ? ", " : "", now.text);
	return true;
}

void check_true(bool good, const char *text, const char *file, int line)
{
	if (!good && failed(file, line))
		printf("%s does not hold\n", text);
}

void check_equal(uint64_t got, uint64_t want, const char *text, const char *file, int line)
{
	if (got != want && failed(file, line))
		printf("%s is 0x%lx, expected 0x%lx\n", text, got, want);
}

void check_text(const char *got, const char *want, const char *file, int line)
{
	if (strcmp(got, want) != 0 && failed(file, line))
		printf("\n    got      \"%s\"\n    expected \"%s\"\n", got, want);
}

void check_bytes(const void *got, const void *want, size_t n, const char *text, const char *file,
		 int line)
{
	const uint8_t *a = got, *b = want;
	size_t at = 0;
	if (n == 0 || memcmp(a, b, n) == 0)
		return;
	while (a[at] == b[at])
		at++;
	if (failed(file, line))
		printf("byte 0x%zx of %s is 0x%x, expected 0x%x\n", at, text, a[at], b[at]);
}

void check_refused(enum status got, enum status want, const char *text, const char *file, int line)
{
	char whole[512];
	snprintf(whole, sizeof whole, "[LOADER][ERROR] %s\n", text);
	if (got != want && failed(file, line))
		printf("status is %s, expected %s\n", status_word(got), status_word(want));
	check_text(console_text(), whole, file, line);
	if (got == want)
		status_seen[got] = true;
}

void check_refused_so_far(enum status got, enum status want, const char *text, const char *file,
			  int line)
{
	char rest[400];
	static const char start[] = "[LOADER][ERROR] ";
	const char *line_text = console_text();
	size_t skip = sizeof start - 1, n = strlen(text);
	bool alike = strncmp(line_text, start, skip) == 0 &&
		     strncmp(line_text + skip, text, n) == 0;
	snprintf(rest, sizeof rest, "%s%.*s", text,
		 alike ? (int)strcspn(line_text + skip + n, "\n") : 0,
		 alike ? line_text + skip + n : "");
	check_refused(got, want, rest, file, line);
}

// Not there in a build without sanitizers.
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static void log_placement(void)
{
	fprintf(stderr, "in test %s %s\n", now.name, now.text);
}

static bool run_test(const struct suite *suite, const struct test *test, const char *only)
{
	snprintf(now.name, sizeof now.name, "%s.%s", suite->name, test->name);
	now.text[0] = '\0';
	now.failures = 0;
	if (only != NULL && strstr(now.name, only) == NULL)
		return true;
	console_open();
	test->run();
	fflush(stdout);
	if (now.failures > FAILURES_SHOWN)
		printf("%s: %u failures, the first %d shown\n", now.name, now.failures,
		       FAILURES_SHOWN);
	return now.failures == 0;
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;
	unsigned passed = 0, all = 0;
	all_tests_run = only == NULL;
	if (__sanitizer_set_death_callback != NULL)
		__sanitizer_set_death_callback(log_placement);
	for (size_t i = 0; i < countof(suites); i++) {
		for (size_t t = 0; t < suites[i]->count; t++) {
			passed += run_test(suites[i], &suites[i]->tests[t], only);
			all++;
		}
	}
	printf("%u passed, %u failed\n", passed, all - passed);
	return passed == all ? 0 : 1;
}
