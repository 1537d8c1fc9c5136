// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// ELF notes (gABI 4.3, chapter 7). Owners and types are those of the crate hermit-entry.
#include "core/notes.h"

#include "core/log.h"

enum {
	NOTE_HEADER_SIZE = 12,
	NT_HERMIT_ENTRY_VERSION = 0x5a00,
	NT_UHYVE_INTERFACE = 0x5b00,
	NT_GNU_ABI_TAG = 1,
	// First word of a GNU ABI tag: the operating system.
	ABI_TAG_HERMIT = 6,
};

struct note {
	uint32_t type;
	struct span name, desc;
};

static bool is_named(const struct note *note, const char *name, size_t size)
{
	return note->name.n == size && memcmp(note->name.p, name, size) == 0;
}

// Two notes with the same version are valid: an application may contain two copies of the crate.
static enum status parse_entry_version(const struct note *note, struct notes *out)
{
	if (note->desc.n != 1)
		return refuse(STATUS_ERA_NOTE_MALFORMED,
			      "the entry-version note has %#lx bytes, expected 1", note->desc.n);
	if (out->has_entry_version && out->entry_version != note->desc.p[0])
		return refuse(STATUS_ERA_CONFLICT, "one note says entry version %u, another %u",
			      out->entry_version, note->desc.p[0]);
	out->has_entry_version = true;
	out->entry_version = note->desc.p[0];
	return STATUS_OK;
}

static enum status parse_note(const struct note *note, enum order order, struct notes *out)
{
	if (note->type == NT_HERMIT_ENTRY_VERSION && is_named(note, "HERMIT", sizeof "HERMIT"))
		return parse_entry_version(note, out);
	if (note->type == NT_GNU_ABI_TAG && is_named(note, "GNU", sizeof "GNU") &&
	    note->desc.n >= 16 && load_u32(note->desc.p, order) == ABI_TAG_HERMIT) {
		out->has_kernel_version = true;
		for (unsigned i = 0; i < countof(out->kernel); i++)
			out->kernel[i] = load_u32(note->desc.p + 4 + 4 * i, order);
	}
	// Big-endian on every CPU.
	if (note->type == NT_UHYVE_INTERFACE && is_named(note, "UHYVEIF", sizeof "UHYVEIF") &&
	    note->desc.n == 4)
		out->uhyve_interface = load_u32(note->desc.p, ORDER_BIG);
	return STATUS_OK;
}

// Reads the note at `*at` and advances `*at` to the next one. Returns false if the note exceeds the
// segment.
static must_check bool next_note(struct span bytes, uint64_t align, enum order order, uint64_t *at,
				 struct note *out)
{
	const uint8_t *p = bytes.p + *at;
	uint64_t name_size = load_u32(p, order);
	uint64_t desc_size = load_u32(p + 4, order);
	out->type = load_u32(p + 8, order);
	// Hermit's note is padded to 4 even in a segment of alignment 8: the crate emits it as a C
	// structure of 4-byte members. No other owner is known to use this type, so the owner is
	// not compared.
	if (out->type == NT_HERMIT_ENTRY_VERSION)
		align = 4;
	// The sizes have 32 bits, so none of these sums overflows.
	uint64_t name_at = *at + NOTE_HEADER_SIZE;
	uint64_t desc_at = align_up(name_at + name_size, align);
	*at = align_up(desc_at + desc_size, align);
	return span_sub(bytes, name_at, name_size, &out->name) &&
	       span_sub(bytes, desc_at, desc_size, &out->desc);
}

// All notes of a PT_NOTE have one alignment (gABI chapter 7, Note Sections). Linker scripts that
// collect notes of alignment 4 and 8 in one segment break this rule, and readelf fails there, too.
static const char merged[] = ": its alignment is 8, but it seems to have notes of alignment 4 too; "
			     "give them a segment of their own";

enum status notes_read(const struct elf_image *image, struct notes *out)
{
	enum order order = elf_order(image->target);
	*out = (struct notes){ 0 };
	for (uint32_t i = 0; i < image->note_count; i++) {
		struct span bytes = image->notes[i].bytes;
		uint64_t at = 0;
		while (at < bytes.n && bytes.n - at >= NOTE_HEADER_SIZE) {
			struct note note;
			uint64_t start = at;
			if (!next_note(bytes, image->notes[i].align, order, &at, &note))
				return refuse(STATUS_ERA_NOTE_MALFORMED,
					      "the note at %#lx of PT_NOTE %u exceeds its "
					      "%#lx bytes%s",
					      start, i, bytes.n,
					      image->notes[i].align == 8 ? merged : "");
			TRY(parse_note(&note, order, out));
		}
	}
	return STATUS_OK;
}
