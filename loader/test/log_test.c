// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/log.h"
#include "test/fake.h"
#include "test/test.h"

#include <string.h>

static void a_line_names_its_level(void)
{
	log_set_level(LOG_TRACE);
	log_line(LOG_ERROR, "a %u", 1U);
	log_line(LOG_WARN, "b");
	log_line(LOG_INFO, "c");
	log_line(LOG_DEBUG, "d");
	log_line(LOG_TRACE, "e");
	CHECK_STR(console_text(), "[LOADER][ERROR] a 1\n[LOADER][WARN] b\n[LOADER][INFO] "
				  "c\n[LOADER][DEBUG] d\n[LOADER][TRACE] e\n");
}

static void a_plain_line_has_no_level(void)
{
	log_set_plain(true);
	log_line(LOG_WARN, "a");
	CHECK_EQ(refuse(STATUS_NO_MODULE, "b"), STATUS_NO_MODULE);
	CHECK_STR(console_text(), "[LOADER] a\n[LOADER] 65 no-module: b\n");
}

static void what_is_above_the_level_is_not_printed(void)
{
	for (int level = 0; level < LOG_LEVELS; level++) {
		console_open();
		log_set_level((enum log_level)level);
		size_t lines = 0;
		for (int of = 0; of < LOG_LEVELS; of++)
			log_line((enum log_level)of, "x");
		for (const char *p = console_text(); *p != '\0'; p++)
			lines += *p == '\n';
		CHECK_EQ(lines, level + 1);
	}
}

// What a debugger reads (harness/gdbcmds/hermit_gdb/ring.py): the newest bytes end at `written`,
// whatever came before.
static void the_ring_keeps_the_newest(void)
{
	console_open();
	log_set_level(LOG_INFO);
	CHECK(memcmp(log_ring.mark, "HERMITLG", 8) == 0);
	CHECK_EQ(log_ring.size, LOG_RING_SIZE);
	log_line(LOG_DEBUG, "not printed, not kept");
	CHECK_EQ(log_ring.written, 0);
	for (unsigned i = 0; i < 1000; i++)
		log_line(LOG_INFO, "line %u", i);
	CHECK_EQ(log_ring.written, strlen("[LOADER][INFO] line \n") * 1000 + 10 + 180 + 2700);
	const char last[] = "[LOADER][INFO] line 999\n";
	for (uint32_t i = 0; i < sizeof last - 1; i++)
		CHECK_EQ(log_ring.text[(log_ring.written - (sizeof last - 1) + i) % LOG_RING_SIZE],
			 last[i]);
}

static void level_words_are_upstreams(void)
{
	CHECK_STR(log_level_word(LOG_ERROR), "ERROR");
	CHECK_STR(log_level_word(LOG_WARN), "WARN");
	CHECK_STR(log_level_word(LOG_INFO), "INFO");
	CHECK_STR(log_level_word(LOG_DEBUG), "DEBUG");
	CHECK_STR(log_level_word(LOG_TRACE), "TRACE");
}

// The text after "[LOADER][INFO] " (15 bytes) is `length` long; the line may have 320 bytes,
// newline included.
static void check_length(size_t length, bool cut)
{
	static char text[500];
	memset(text, 'x', length);
	text[length] = '\0';
	console_open();
	log_line(LOG_INFO, "%s", text);
	size_t n = strlen(console_text());
	test_case("text of %zu bytes", length);
	CHECK_EQ(n, cut ? 320 : 15 + length + 1);
	CHECK(console_text()[n - 1] == '\n');
	CHECK((memcmp(console_text() + n - 5, "x...", 4) == 0) == cut);
}

static void long_lines_are_cut(void)
{
	check_length(0, false);
	check_length(200, false);
	check_length(303, false);
	check_length(305, true);
	check_length(306, true);
	check_length(499, true);
}

static void a_refusal_is_printed_once_a_run(void)
{
	CHECK_EQ(refuse(STATUS_NO_MODULE, "first %u", 1U), STATUS_NO_MODULE);
	CHECK_EQ(refuse(STATUS_ELF_NOT_64_BIT, "second"), STATUS_ELF_NOT_64_BIT);
	CHECK_STR(console_text(), "[LOADER][ERROR] 65 no-module: first 1\n");
	console_open();
	CHECK_EQ(refuse(STATUS_ELF_NOT_64_BIT, "third"), STATUS_ELF_NOT_64_BIT);
	CHECK_STR(console_text(), "[LOADER][ERROR] 71 elf-not-64-bit: third\n");
}

static void a_refusal_is_printed_at_every_level(void)
{
	log_set_level(LOG_ERROR);
	CHECK_EQ(refuse(STATUS_NO_MODULE, "x"), STATUS_NO_MODULE);
	CHECK_STR(console_text(), "[LOADER][ERROR] 65 no-module: x\n");
}

static void a_long_refusal_is_cut(void)
{
	char text[600];
	memset(text, 'y', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	CHECK_EQ(refuse(STATUS_NO_MODULE, "%s", text), STATUS_NO_MODULE);
	CHECK_EQ(strlen(console_text()), 320);
	CHECK_STR(console_text() + 314, "yy...\n");
}

static void without_a_sink_nothing_happens(void)
{
	log_init(NULL, LOG_TRACE);
	log_line(LOG_INFO, "x");
	CHECK_EQ(refuse(STATUS_NO_MODULE, "x"), STATUS_NO_MODULE);
	CHECK_STR(console_text(), "");
}

SUITE(log, { "a_line_names_its_level", a_line_names_its_level },
      { "a_plain_line_has_no_level", a_plain_line_has_no_level },
      { "what_is_above_the_level_is_not_printed", what_is_above_the_level_is_not_printed },
      { "level_words_are_upstreams", level_words_are_upstreams },
      { "the_ring_keeps_the_newest", the_ring_keeps_the_newest },
      { "long_lines_are_cut", long_lines_are_cut },
      { "a_refusal_is_printed_once_a_run", a_refusal_is_printed_once_a_run },
      { "a_refusal_is_printed_at_every_level", a_refusal_is_printed_at_every_level },
      { "a_long_refusal_is_cut", a_long_refusal_is_cut },
      { "without_a_sink_nothing_happens", without_a_sink_nothing_happens });
