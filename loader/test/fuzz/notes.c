// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The notes of a PT_NOTE segment, and the era that they select. Input: one byte of settings, then
// the segment.
#include "core/era/era.h"
#include "test/fuzz/fuzz.h"

// A second reading: the last entry-version note of a segment whose notes all have this alignment,
// -1 if there is none.
static int version_of(struct span s, uint64_t align)
{
	int version = -1;
	for (uint64_t at = 0; at + 12 <= s.n;) {
		const uint64_t name = load_u32(s.p + at, ORDER_LITTLE),
			       desc = load_u32(s.p + at + 4, ORDER_LITTLE);
		const uint32_t type = load_u32(s.p + at + 8, ORDER_LITTLE);
		// The loader's one exception: this note is always padded to 4.
		const uint64_t step = type == 0x5a00 ? 4 : align;
		const uint64_t desc_at = (at + 12 + name + step - 1) / step * step;
		if (type == 0x5a00 && name == 7 && memcmp(s.p + at + 12, "HERMIT", 7) == 0)
			version = s.p[desc_at];
		at = (desc_at + desc + step - 1) / step * step;
	}
	return version;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct elf_image image;
	static const uint8_t empty[1];
	static const struct elf_target *const targets[] = { &elf_target_x86_64, &elf_target_aarch64,
							    &elf_target_riscv64 };
	struct notes notes;
	const struct era *era;
	if (n == 0)
		return 0;
	const struct span bytes = { n > 1 ? data + 1 : empty, n - 1 };
	const uint64_t align = data[0] % 2 != 0 ? 8 : 4;
	console_open();
	image = (struct elf_image){ .target = targets[data[0] / 2 % countof(targets)],
				    .file = bytes,
				    .size = 0x1000,
				    .note_count = 1,
				    .notes = { { bytes, align } } };
	if (notes_read(&image, &notes) != STATUS_OK)
		return 0;
	const int version = version_of(bytes, align);
	FUZZ_CHECK(notes.has_entry_version == (version >= 0));
	FUZZ_CHECK(version < 0 || notes.entry_version == version);
	if (era_identify(&notes, &image, 0, &era) == STATUS_OK)
		FUZZ_CHECK(era->entry_version == (version >= 0         ? (uint16_t)version
						  : era->info_in_image ? ENTRY_VERSION_H0
								       : 1));
	return 0;
}
