// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// hermit.toml and the command line; whole runs on the fake PC.
#include "core/image.h"

#include <string.h>

#include "test/archive_builder.h"
#include "test/elf_builder.h"
#include "test/fake_pc.h"
#include "test/test.h"

#define HEAD "version = \"1\"\nkernel = \"hkernel\"\n"
#define INPUT "[input]\nkernel_args = []\napp_args = []\n"

static enum status read(const char *text, struct image_config *config)
{
	console_open();
	return image_config_read(text_span(text), config);
}

static void what_a_configuration_may_have(void)
{
	static const struct {
		const char *text;
		uint64_t memory, cpus;
	} good[] = {
		{ HEAD INPUT, 0, 0 },
		{ HEAD INPUT "[requirements]\n", 0, 0 },
		{ HEAD INPUT "[requirements]\nmemory = 1_000\ncpus = 4", 1000, 4 },
		{ HEAD INPUT "[requirements]\nmemory = \"64 MiB\"", MIB(64), 0 },
		{ HEAD INPUT "[requirements]\nmemory = \"2GB\" # much", 2000000000, 0 },
		{ HEAD INPUT "[requirements]\nmemory = '1gib'\r\n", GIB(1), 0 },
		{ HEAD INPUT "[requirements]\nmemory = '70k'", 70000, 0 },
		{ HEAD INPUT "[requirements]\nmemory = '1 PiB'", GIB(1024 * 1024), 0 },
		{ "version = '1'\nkernel = 'a'\nversion2 = 1\n" INPUT, 0, 0 },
		{ HEAD "input.kernel_args = [ # none\n]\ninput.app_args = [\n 'a', # one\n\n]\n", 0,
		  0 },
		{ HEAD "extra = 1979-05-27T07:32:00Z\n[other]\nkernel = [1, 2.5, true]\n" INPUT, 0,
		  0 },
		{ "# first\n\n\tversion='1'\nkernel=\"\\u0068kernel\"\n[ input "
		  "]\nkernel_args=['a']\n"
		  "app_args=[\"\",]\nenv_vars=[]",
		  0, 0 },
	};
	for (size_t i = 0; i < countof(good); i++) {
		struct image_config config;
		test_case("%s", good[i].text);
		CHECK_EQ(read(good[i].text, &config), STATUS_OK);
		CHECK_STR(console_text(), "");
		CHECK_EQ(config.memory, good[i].memory);
		CHECK_EQ(config.cpus, good[i].cpus);
	}
}

static void what_a_configuration_must_not_have(void)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "hermit.toml has no version" },
		{ "version = '1'\n", "hermit.toml has no kernel" },
		{ HEAD "[input]\nkernel_args = []\n", "hermit.toml has no input.app_args" },
		{ HEAD "[input]\nkernel_args = 'a'\n",
		  "hermit.toml, line 4: input.kernel_args must be an array of strings" },
		{ HEAD "[input]\nkernel_args = ['---', \"\\u002d-\", 'x']\n",
		  "hermit.toml, line 4: input.kernel_args must be without --" },
		{ HEAD "[input]\napp_args = [1]\n",
		  "hermit.toml, line 4: input.app_args must be an array of strings" },
		{ "version = 1", "hermit.toml, line 1: version must be a string" },
		{ "kernel = 1", "hermit.toml, line 1: kernel must be a string" },
		{ "requirements.cpus = 1.5",
		  "hermit.toml, line 1: requirements.cpus must be a number" },
		{ "requirements.cpus = -1",
		  "hermit.toml, line 1: requirements.cpus must be a number" },
		{ "requirements.memory = '64 XB'",
		  "hermit.toml, line 1: requirements.memory must be a size such as 67108864 or "
		  "\"64 MiB\"" },
		{ "requirements.memory = '99999999999999999999'",
		  "hermit.toml, line 1: requirements.memory must be a size such as 67108864 or "
		  "\"64 MiB\"" },
		{ "requirements.memory = '1. 5'",
		  "hermit.toml, line 1: requirements.memory must be a size such as 67108864 or "
		  "\"64 MiB\"" },
		{ "requirements.memory = '16 EiB'",
		  "hermit.toml, line 1: requirements.memory must be a size such as 67108864 or "
		  "\"64 MiB\"" },
		{ "requirements.memory = '9000000000 TiB'",
		  "hermit.toml, line 1: requirements.memory must be a size such as 67108864 or "
		  "\"64 MiB\"" },
	};
	struct image_config config;
	char text[200];
	for (size_t i = 0; i < countof(bad); i++) {
		test_case("%s", bad[i].text);
		snprintf(text, sizeof text, "109 config-value: %s", bad[i].why);
		CHECK_REFUSED(read(bad[i].text, &config), CONFIG_VALUE, text);
	}
}

static void what_is_not_understood(void)
{
	static const struct {
		const char *text, *why;
	} unknown[] = {
		{ "input = { kernel_args = [] }", "line 1: inline tables are not supported" },
		{ "[[input]]", "line 1: arrays of tables are not supported" },
		{ "[input", "line 1: expected ] after the name of a table" },
		{ "[]", "line 1: expected a key of letters, digits, _ and -" },
		{ "\n\"key\" = 1", "line 2: expected a key of letters, digits, _ and -" },
		{ "key", "line 1: expected = after the key" },
		{ "key =", "line 1: expected a string, a number or an array" },
		{ "key = 'a", "line 1: the string does not end in this line" },
		{ "key = \"a\\", "line 1: the string has an escape sequence that is not allowed" },
		{ "key = \"\\u0000\"",
		  "line 1: the string has an escape sequence that is not allowed" },
		{ "key = \"\\ud800\"",
		  "line 1: the string has an escape sequence that is not allowed" },
		{ "key = \"\\u12\"",
		  "line 1: the string has an escape sequence that is not allowed" },
		{ "key = \"\\q\"",
		  "line 1: the string has an escape sequence that is not allowed" },
		{ "key = '''a'''", "line 1: strings of several lines are not supported" },
		{ "key = ['a' 'b']", "line 1: expected , or ] after an element of an array" },
		{ "key = [\n'a'", "line 2: expected , or ] after an element of an array" },
		{ "key = [[1]]", "line 1: arrays in arrays are not supported" },
		{ "key = 1 2", "line 1: expected the end of the line" },
		{ "kernel = 'a'\nkernel = 'b'", "line 2: the key occurs a second time" },
		{ "\xff", "line 1: the file is not UTF-8" },
		{ "a = 1\nb = 'c\r[LOADER][INFO] d'",
		  "line 2: the file contains a control character" },
		{ "a = '\x1b[31m'", "line 1: the file contains a control character" },
		{ "# \x7f", "line 1: the file contains a control character" },
	};
	struct image_config config;
	char text[200];
	for (size_t i = 0; i < countof(unknown); i++) {
		test_case("%s", unknown[i].text);
		snprintf(text, sizeof text, "109 config-syntax: hermit.toml, %s", unknown[i].why);
		CHECK_REFUSED(read(unknown[i].text, &config), CONFIG_SYNTAX, text);
	}
	CHECK_EQ(image_config_read((struct span){ (const uint8_t *)"a\0", 2 }, &config),
		 STATUS_CONFIG_SYNTAX);
	CHECK_REFUSED(read("version = '2'", &config), IMAGE_UNSUPPORTED,
		      "95 hermit-image-unsupported: the image's hermit.toml has version '2', this "
		      "loader knows \"1\"");
	// A table whose name is longer than any of the format, and a key in it.
	static const char long_name[] =
		"[a123456789012345678901234567890123456789012345678901234567890"
		"12345678901234567890]\nkernel = 1\n";
	CHECK_REFUSED(read(long_name, &config), CONFIG_VALUE,
		      "109 config-value: hermit.toml has no version");
}

static const char args_config[] = HEAD
	"[input]\nkernel_args = [\"-x\", '1 2']\napp_args = [\"a\", \"\", \"it's\", \"\\u00e9\\n\"]"
	"\nenv_vars = ['A=b c', 'none', 'C=']\n";
#define ENV "'env=A=b c' env=C="
#define KERNEL_ARGS "-x '1 2'"
#define APP_ARGS "-- a '' 'it'\\''s' '\xc3\xa9\n'"
#define ARGS KERNEL_ARGS " " APP_ARGS

static void command_lines(void)
{
	static const struct {
		const char *line;
		bool path_first;
		const char *want;
	} rows[] = {
		{ "", false, ENV " " ARGS },
		{ "loader", true, "loader " ENV " " ARGS },
		{ "loader", false, ENV " loader" },
		{ "a=b", true, ENV " a=b" },
		{ "-ip 1", true, ENV " -ip 1" },
		{ "loader x", true, "loader " ENV " x" },
		{ "loader --", true, "loader " ENV " --" },
		{ "loader -- x", true, "loader " ENV " -- x" },
		{ "-freq --", false, ENV " -freq --" },
		{ "-freq", false, ENV " " KERNEL_ARGS " -freq " APP_ARGS },
		// A path may have a `=`, and an argument a slash.
		{ "/x/a=b/loader", true, "/x/a=b/loader " ENV " " ARGS },
		{ "env=A=/x", true, ENV " env=A=/x" },
		// The user's values are the last ones.
		{ "loader.log=info -freq 2000 virtio_mmio.device=512@0xfeb00e00:12", false,
		  ENV
		  " " KERNEL_ARGS
		  " loader.log=info -freq 2000 virtio_mmio.device=512@0xfeb00e00:12 " APP_ARGS },
	};
	struct image_config config;
	CHECK_EQ(read(args_config, &config), STATUS_OK);
	for (size_t i = 0; i < countof(rows); i++) {
		uint8_t bytes[300];
		struct text_out out = { .p = bytes, .size = sizeof bytes };
		test_case("%s", rows[i].line);
		CHECK_EQ(hermit_image_cmdline(&config, text_span(rows[i].line), rows[i].path_first,
					      &out),
			 STATUS_OK);
		bytes[out.n] = '\0';
		CHECK_STR((const char *)bytes, rows[i].want);
		// Every size that is too small is refused, and nothing is written beyond it.
		for (size_t n = 0; n < strlen(rows[i].want); n++) {
			struct text_out small = { .p = malloc(n + 1), .size = n };
			uint8_t *exact = realloc(small.p, n != 0 ? n : 1);
			small.p = exact;
			console_open();
			CHECK_EQ(hermit_image_cmdline(&config, text_span(rows[i].line),
						      rows[i].path_first, &small),
				 STATUS_CMDLINE_TOO_LONG);
			free(exact);
		}
	}
}

static struct fake_pc pc;
static struct bytes boot_file;

static void use_file(const char *config, struct elf_spec spec, uint64_t ram)
{
	struct bytes archive = { 0 };
	uint8_t *elf = elf_write(&spec);
	bytes_free(&boot_file);
	if (config == NULL) {
		bytes_add(&archive, elf, spec.size);
	} else {
		tar_add(&archive, "hkernel", elf, spec.size);
		tar_add(&archive, "hermit.toml", config, strlen(config));
	}
	boot_file = gzip_of(archive.p, archive.n);
	pc = fake_pc_default(ram, boot_file.p, boot_file.n);
	pc.cmdline = "hermit-loader";
	bytes_free(&archive);
	free(elf);
}

static const char *booted_line(const struct fake_outcome *outcome)
{
	CHECK_STR(outcome->end == FAKE_STOPPED ? console_text() : "", "");
	return outcome->end == FAKE_STOPPED
		       ? ""
		       : (const char *)outcome->block.window.p + outcome->block.cmdline;
}

static void images_boot(void)
{
	use_file(NULL, elf_default(), MIB(16));
	const struct fake_outcome *outcome = fake_pc_boot(&pc);
	CHECK_STR(booted_line(outcome), "hermit-loader");
	CHECK_EQ(outcome->handover.image.start, 0x200000);
	use_file(args_config, elf_default(), MIB(16));
	CHECK_STR(booted_line(fake_pc_boot(&pc)), "hermit-loader " ENV " " ARGS);
	// The user's words win, and an option of the image counts like one of the line.
	pc.cmdline = "hermit-loader k -- u";
	CHECK_STR(booted_line(fake_pc_boot(&pc)), "hermit-loader " ENV " k -- u");
	use_file(HEAD "input.kernel_args = ['loader.log=error', 'x']\ninput.app_args = []",
		 elf_default(), MIB(16));
	CHECK_STR(booted_line(fake_pc_boot(&pc)), "hermit-loader x");
	CHECK(strstr(console_text(), "Loading kernel") == NULL);
	// Of options, too.
	pc.cmdline = "hermit-loader loader.log=debug";
	CHECK_STR(booted_line(fake_pc_boot(&pc)), "hermit-loader x");
	CHECK(strstr(console_text(), "Entering kernel") != NULL);
	// Whatever is in an image's strings stays there.
	use_file(HEAD "input.kernel_args = ['-m', 'x loader.what=ever']\ninput.app_args = []\n"
		      "input.env_vars = ['A=x -- y', 'B=try loader.log=error now']",
		 elf_default(), MIB(16));
	pc.cmdline = "hermit-loader loader.era=e4 loader.log=debug";
	CHECK_STR(booted_line(fake_pc_boot(&pc)),
		  "hermit-loader 'env=A=x -- y' 'env=B=try loader.log=error now' -m "
		  "'x loader.what=ever'");
	CHECK(strstr(console_text(), "Entering kernel") != NULL);
}

// Wherever the application's place is: the unpacked file is at the end of RAM, below 8 MiB.
static void an_image_over_its_unpacked_file(void)
{
	for (uint64_t at = 0x7e0000; at <= 0x7fc000; at += 0x1000) {
		struct elf_spec spec = elf_fixed(at);
		uint8_t *elf = elf_write(&spec);
		use_file(HEAD INPUT, spec, MIB(8));
		test_case("at %lx", at);
		const struct fake_outcome *outcome = fake_pc_boot(&pc);
		CHECK_STR(booted_line(outcome), "hermit-loader");
		CHECK_EQ(outcome->handover.image.start, at);
		CHECK_BYTES(fake_memory() + at, elf, 64);
		free(elf);
	}
}

static const char *refused(enum status want)
{
	static char line[300];
	const struct fake_outcome *outcome = fake_pc_boot(&pc);
	CHECK_EQ(outcome->end, FAKE_STOPPED);
	CHECK_EQ(outcome->status, want);
	const char *error = strstr(console_text(), "[LOADER][ERROR] ");
	snprintf(line, sizeof line, "%s", error != NULL ? error + 16 : console_text());
	line[strcspn(line, "\n")] = '\0';
	status_seen[outcome->status] = true;
	return line;
}

static void images_are_refused(void)
{
	use_file("requirements.memory = '20 MiB'\n" HEAD INPUT, elf_default(), MIB(16));
	CHECK_STR(refused(STATUS_MEMORY_REQUIRED),
		  "83 memory-required: the Hermit image requires 0x1400000 bytes of RAM, the "
		  "machine has 0xf9fc00");
	// What firmware takes from the machine's memory does not count.
	use_file("requirements.memory = '16 MiB'\n" HEAD INPUT, elf_default(), MIB(16));
	(void)booted_line(fake_pc_boot(&pc));
	use_file("version = '1'\nkernel = 'app'\n" INPUT, elf_default(), MIB(16));
	CHECK_STR(refused(STATUS_ARCHIVE_NO_KERNEL),
		  "107 archive-no-kernel: the image has no file 'app', which its hermit.toml names "
		  "as kernel");
	bytes_free(&boot_file);
	boot_file = gzip_of("#!/bin/sh\n", 10);
	pc.app = boot_file.p;
	pc.app_size = boot_file.n;
	CHECK_STR(refused(STATUS_ARCHIVE_MALFORMED),
		  "107 archive-malformed: the gzip file contains "
		  "neither an ELF file nor a tar archive");
	struct bytes archive = { 0 };
	tar_add(&archive, "hermit.tom", "", 0);
	bytes_free(&boot_file);
	boot_file = gzip_of(archive.p, archive.n);
	pc.app = boot_file.p;
	pc.app_size = boot_file.n;
	CHECK_STR(refused(STATUS_ARCHIVE_NO_CONFIG), "107 archive-no-config: the archive has no "
						     "file hermit.toml, so it is no Hermit image");
	bytes_free(&archive);
	bytes_free(&boot_file);
	// 26 MB do not fit; nothing is written before that is known.
	boot_file = gzip_bomb(100000);
	store_u32(boot_file.p + boot_file.n - 4, 25800001, ORDER_LITTLE);
	pc.app = boot_file.p;
	pc.app_size = boot_file.n;
	CHECK_STR(refused(STATUS_UNPACK_NO_ROOM),
		  "83 unpack-no-room: the application's file needs 0x18aad41 contiguous bytes of "
		  "RAM to be unpacked");
	CHECK_BYTES(fake_memory(), fake_before(), pc.ram);
	bytes_free(&boot_file);
	// Too few page tables for the file, followed by the command line.
	use_file(HEAD INPUT, elf_default(), MIB(16));
	fake_map_at_most(CMDLINE_MAX + 1);
	(void)refused(STATUS_UNPACK_NO_ROOM);
	fake_map_at_most(UINT64_MAX);
	CHECK(strstr(console_text(), "too few page tables to map") != NULL);
}

#define T(name) { #name, name }
SUITE(image, T(what_a_configuration_may_have), T(what_a_configuration_must_not_have),
      T(what_is_not_understood), T(command_lines), T(images_boot),
      T(an_image_over_its_unpacked_file), T(images_are_refused));
