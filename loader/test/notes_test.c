// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/notes.h"

#include <string.h>

#include "test/elf_builder.h"
#include "test/fake.h"
#include "test/test.h"

enum { ENTRY_VERSION = 0x5a00, ABI_TAG = 1 };

static struct {
	uint8_t bytes[512];
	size_t n;
} notes;

static struct notes found;

static void clear(void)
{
	memset(&notes, 0, sizeof notes);
}

static void add(const char *name, uint32_t type, const void *desc, uint32_t desc_size, size_t align)
{
	notes.n += elf_add_note(notes.bytes, notes.n, name, type, desc, desc_size, align);
}

static void add_version(uint8_t version)
{
	add("HERMIT", ENTRY_VERSION, &version, 1, 4);
}

// Reads `size` bytes of the notes, in an allocation of just that.
static enum status read_bytes(size_t size, uint64_t align)
{
	uint8_t *copy = exact_copy(notes.bytes, size);
	struct elf_image image = { .target = &elf_target_x86_64, .note_count = 1 };
	image.notes[0] = (struct elf_note_segment){ { copy, size }, align };
	enum status status = notes_read(&image, &found);
	free(copy);
	return status;
}

static const uint8_t hermit_tag[16] = { 6, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 3, 0, 0, 0 };

static void both_notes_are_found(void)
{
	static const uint64_t aligns[] = { 4, 8 };
	for (size_t i = 0; i < countof(aligns); i++) {
		clear();
		add("GNU", 3, "some build id of another", 20, aligns[i]);
		add("GNU", ABI_TAG, hermit_tag, 16, aligns[i]);
		add_version(4); // padded to 4 always
		CHECK_EQ(read_bytes(notes.n, aligns[i]), STATUS_OK);
		CHECK(found.has_entry_version && found.has_kernel_version);
		CHECK_EQ(found.entry_version, 4);
		CHECK_EQ(found.kernel[0], 0);
		CHECK_EQ(found.kernel[1], 10);
		CHECK_EQ(found.kernel[2], 3);
	}
}

// Big-endian on every CPU.
static void the_interface_to_uhyve(void)
{
	clear();
	add_version(4);
	add("UHYVEIF", 0x5b00, "\0\0\0\3", 4, 4);
	CHECK_EQ(read_bytes(notes.n, 4), STATUS_OK);
	CHECK_EQ(found.uhyve_interface, 3);
	clear();
	add_version(4);
	add("UHYVEIF", 0x5b00, "\3", 1, 4);
	CHECK_EQ(read_bytes(notes.n, 4), STATUS_OK);
	CHECK_EQ(found.uhyve_interface, 0);
}

static void notes_of_other_owners_are_ignored(void)
{
	static const uint8_t linux_tag[16] = { 0, 0, 0, 0, 3 };
	clear();
	add("GNU", ABI_TAG, linux_tag, 16, 4);
	add("GNU", ABI_TAG, hermit_tag, 12, 4);  // too short to be one
	add("HERMIT", 7, "x", 1, 4);             // another type
	add("HERMIU", ENTRY_VERSION, "x", 1, 4); // another owner
	add("HERMI", ENTRY_VERSION, "x", 1, 4);
	add("", 0, "", 0, 4);
	CHECK_EQ(read_bytes(notes.n, 4), STATUS_OK);
	CHECK(!found.has_entry_version && !found.has_kernel_version);
	CHECK_EQ(read_bytes(0, 4), STATUS_OK);
	CHECK_EQ(read_bytes(11, 4), STATUS_OK); // less than a note's header: nothing
}

static void the_last_padding_may_be_missing(void)
{
	clear();
	add_version(4);
	CHECK_EQ(read_bytes(notes.n - 3, 4), STATUS_OK);
	CHECK(found.has_entry_version);
}

// A build id has 36 bytes, so that notes of alignment 4 may follow it at a multiple of 4.
static void merged_with_notes_of_alignment_8(void)
{
	static const uint8_t id[20] = { 1 };
	clear();
	add("GNU", 3, id, sizeof id, 4);
	add_version(4);
	add("GNU", ABI_TAG, hermit_tag, 16, 4);
	CHECK_EQ(read_bytes(notes.n, 4), STATUS_OK);
	CHECK(found.has_entry_version);
	console_open();
	CHECK_REFUSED(read_bytes(notes.n, 8), ERA_NOTE_MALFORMED,
		      "81 era-note-malformed: the note at 0x28 of PT_NOTE 0 exceeds its 0x5c "
		      "bytes: its alignment is 8, but it seems to have notes of alignment 4 too; "
		      "give them a segment of their own");
}

static void two_equal_ones_are_one(void)
{
	clear();
	add_version(3);
	add_version(3);
	CHECK_EQ(read_bytes(notes.n, 4), STATUS_OK);
	CHECK_EQ(found.entry_version, 3);
}

static void two_that_differ_are_refused(void)
{
	clear();
	add_version(4);
	add_version(3);
	CHECK_REFUSED(read_bytes(notes.n, 4), ERA_CONFLICT,
		      "81 era-conflict: one note says entry version 4, another 3");
}

static void an_entry_version_has_one_byte(void)
{
	clear();
	add("HERMIT", ENTRY_VERSION, "\4\0\0", 4, 4);
	CHECK_REFUSED(read_bytes(notes.n, 4), ERA_NOTE_MALFORMED,
		      "81 era-note-malformed: the entry-version note has 0x4 bytes, expected 1");
}

static void an_empty_entry_version(void)
{
	clear();
	add("HERMIT", ENTRY_VERSION, "", 0, 4);
	CHECK_REFUSED(read_bytes(notes.n, 4), ERA_NOTE_MALFORMED,
		      "81 era-note-malformed: the entry-version note has 0x0 bytes, expected 1");
}

static void sizes_beyond_the_segment(void)
{
	static const struct {
		unsigned at; // of a length field
		uint32_t value;
	} bad[] = { { 32, 9 + 4 }, { 32, UINT32_MAX }, { 36, 2 }, { 36, UINT32_MAX } };
	for (size_t i = 0; i < countof(bad); i++) {
		clear();
		add("GNU", ABI_TAG, hermit_tag, 16, 4);
		add_version(4);
		store_u32(notes.bytes + bad[i].at, bad[i].value, ORDER_LITTLE);
		test_case("case %zu", i);
		console_open();
		CHECK_REFUSED(read_bytes(53, 4), ERA_NOTE_MALFORMED,
			      "81 era-note-malformed: the note at 0x20 of PT_NOTE 0 exceeds its "
			      "0x35 bytes");
	}
}

static void every_segment_is_read(void)
{
	clear();
	add_version(4);
	struct elf_image image = { .target = &elf_target_x86_64, .note_count = 2 };
	image.notes[0] = (struct elf_note_segment){ { notes.bytes, 0 }, 4 };
	image.notes[1] = (struct elf_note_segment){ { notes.bytes, notes.n }, 4 };
	CHECK_EQ(notes_read(&image, &found), STATUS_OK);
	CHECK_EQ(found.entry_version, 4);
}

static void any_length_is_safe(void)
{
	for (unsigned at = 0; at < 4 * 8; at++) {
		for (size_t size = 0; size <= 56; size++) {
			clear();
			add("GNU", ABI_TAG, hermit_tag, 16, 4);
			add_version(4);
			notes.bytes[at / 8] ^= (uint8_t)(1 << at % 8);
			console_open();
			enum status status = read_bytes(size, at % 2 != 0 ? 8 : 4);
			CHECK(status == STATUS_OK || status == STATUS_ERA_NOTE_MALFORMED);
		}
	}
}

SUITE(notes, { "both_notes_are_found", both_notes_are_found },
      { "the_interface_to_uhyve", the_interface_to_uhyve },
      { "notes_of_other_owners_are_ignored", notes_of_other_owners_are_ignored },
      { "the_last_padding_may_be_missing", the_last_padding_may_be_missing },
      { "merged_with_notes_of_alignment_8", merged_with_notes_of_alignment_8 },
      { "two_equal_ones_are_one", two_equal_ones_are_one },
      { "two_that_differ_are_refused", two_that_differ_are_refused },
      { "an_entry_version_has_one_byte", an_entry_version_has_one_byte },
      { "an_empty_entry_version", an_empty_entry_version },
      { "sizes_beyond_the_segment", sizes_beyond_the_segment },
      { "every_segment_is_read", every_segment_is_read },
      { "any_length_is_safe", any_length_is_safe });
