// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Archives: names, kinds of entries, and damage.
#include "core/tar.h"

#include <string.h>

#include "test/archive_builder.h"
#include "test/fake.h"
#include "test/test.h"

static enum status find(const struct bytes *archive, const char *name, struct span *out,
			bool *found)
{
	console_open();
	return tar_find(span_of(archive), text_span(name), out, found);
}

static void names_in_an_archive(void)
{
	static const struct {
		const char *stored, *prefix, *wanted;
		bool found;
	} rows[] = {
		{ "hermit.toml", "", "hermit.toml", true },
		{ "./hermit.toml", "", "hermit.toml", true },
		{ "/hermit.toml", "", "hermit.toml", true },
		{ "hermit.toml", "", "/hermit.toml", true },
		{ "hermit.tom", "", "hermit.toml", false },
		{ "hermit.toml2", "", "hermit.toml", false },
		{ "b", "./a", "a/b", true },
		{ "b", ".", "b", true },
		{ "b", ".a", "b", false },
		{ "b", "a", "b", false },
		{ "b", "a", "a-b", false },
		{ "b", "a/c", "a/b", false },
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct bytes archive = { 0 };
		struct span file;
		bool found;
		tar_add(&archive, rows[i].stored, "x", 1);
		memcpy(archive.p + 345, rows[i].prefix, strlen(rows[i].prefix));
		tar_checksum(archive.p);
		test_case("%s", rows[i].stored);
		CHECK_EQ(find(&archive, rows[i].wanted, &file, &found), STATUS_OK);
		CHECK_EQ(found, rows[i].found);
		bytes_free(&archive);
	}
}

static void set_type(struct bytes *archive, size_t at, uint8_t type)
{
	archive->p[at + 156] = type;
	tar_checksum(archive->p + at);
}

static void entries_of_an_archive(void)
{
	struct bytes archive = { 0 };
	struct span file;
	bool found;
	tar_add(&archive, "a", "first", 5);
	tar_add(&archive, "d", "", 0);
	set_type(&archive, 1024, '5'); // a directory
	tar_add(&archive, "pax", "10 path=b\n", 10);
	set_type(&archive, 1536, 'K');
	tar_add(&archive, "a", "second", 6);
	CHECK_EQ(find(&archive, "d", &file, &found), STATUS_OK);
	CHECK(!found);
	CHECK_EQ(find(&archive, "a", &file, &found), STATUS_OK);
	CHECK(found && file.n == 6 && memcmp(file.p, "second", 6) == 0);
	// The end: two blocks of zeros, and what follows them does not count.
	static const uint8_t zeros[1024];
	bytes_add(&archive, zeros, sizeof zeros);
	tar_add(&archive, "a", "third", 5);
	CHECK_EQ(find(&archive, "a", &file, &found), STATUS_OK);
	CHECK_EQ(file.n, 6);

	memcpy(archive.p + 1024 + 124, "00000000009 ", 12); // 9 is no octal digit
	tar_checksum(archive.p + 1024);
	CHECK_REFUSED(find(&archive, "a", &file, &found), ARCHIVE_MALFORMED,
		      "107 archive-malformed: the file at 0x400 of the archive does not end within "
		      "its 0x1600 bytes");
	memcpy(archive.p + 124, "00000100000 ", 12);
	tar_checksum(archive.p);
	CHECK_EQ(find(&archive, "a", &file, &found), STATUS_ARCHIVE_MALFORMED);
	archive.p[0] ^= 1;
	CHECK_REFUSED(find(&archive, "a", &file, &found), ARCHIVE_MALFORMED,
		      "107 archive-malformed: the header at 0x0 of the archive has a wrong "
		      "checksum");
	bytes_free(&archive);
}

// POSIX: the size in the header of a directory or a link says nothing about the archive.
static void entries_without_data(void)
{
	for (uint8_t type = '1'; type <= '6'; type++) {
		struct bytes archive = { 0 };
		struct span file;
		bool found;
		tar_add(&archive, "d", "", 0);
		memcpy(archive.p + 124, "00000002000 ", 12);
		set_type(&archive, 0, type);
		tar_add(&archive, "a", "first", 5);
		test_case("type %c", type);
		CHECK_EQ(find(&archive, "a", &file, &found), STATUS_OK);
		CHECK(found && file.n == 5);
		bytes_free(&archive);
	}
}

// Cut at every byte: never a read beyond the end, never a file that is not all there.
static void an_archive_is_cut(void)
{
	struct bytes archive = { 0 };
	tar_add(&archive, "a", "first", 5);
	tar_add(&archive, "b", "second", 6);
	for (size_t n = 0; n <= archive.n; n++) {
		struct span file;
		bool found;
		struct bytes cut = { exact_copy(archive.p, n), n, 0, 0 };
		const enum status status = find(&cut, "b", &file, &found);
		test_case("%zu bytes", n);
		CHECK_EQ(status == STATUS_OK && found, n >= 1536 + 6);
		free(cut.p);
	}
	bytes_free(&archive);
}

#define T(name) { #name, name }
SUITE(tar, T(names_in_an_archive), T(entries_of_an_archive), T(entries_without_data),
      T(an_archive_is_cut));
