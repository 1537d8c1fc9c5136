// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Which row a file selects, and the Multiboot information. era_info_test.c has the boot info.
#include "core/era/era.h"
#include "core/span.h"
#include "test/fake.h"
#include "test/test.h"

static const struct era *era;

// Identifies an image whose only segment has the whole file.
static enum status identify(const struct elf_target *target, struct notes notes, const void *file,
			    size_t n, uint32_t forced)
{
	struct elf_image image = {
		.file = { file, n },
		.target = target,
		.size = 0x1000,
		.segment_count = 1,
		.segments = { { .filesz = n, .memsz = n } },
	};
	console_open();
	era = NULL;
	return era_identify(&notes, &image, forced, &era);
}

static enum status with_version(const struct elf_target *target, uint8_t version)
{
	return identify(target,
			(struct notes){ .has_entry_version = true, .entry_version = version }, "",
			0, 0);
}

static enum status without_note(const struct elf_target *target, const void *file, size_t n)
{
	return identify(target, (struct notes){ 0 }, file, n, 0);
}

static const struct elf_target *const targets[] = {
	&elf_target_x86_64,
	&elf_target_aarch64,
	&elf_target_aarch64_be,
	&elf_target_riscv64,
};

static void the_entry_version_decides(void)
{
	static const char *const names[][4] = {
		{ "e1", "e2", "e3", "e4" },
		{ "e1", "e2", "e3", "e4" },
		{ NULL, NULL, "e3", "e4" },
		{ NULL, NULL, "e3", "e4" },
	};
	for (size_t t = 0; t < countof(targets); t++) {
		for (uint8_t version = 1; version <= 4; version++) {
			const char *name = names[t][version - 1];
			test_case("CPU %zu, entry version %u", t, version);
			CHECK_EQ(with_version(targets[t], version),
				 name != NULL ? STATUS_OK : STATUS_ERA_UNSUPPORTED);
			CHECK_EQ(identify(targets[t], (struct notes){ 0 }, "", 0, version),
				 name != NULL ? STATUS_OK : STATUS_ERA_UNSUPPORTED);
			if (name != NULL)
				CHECK_STR(era->name, name);
		}
	}
	CHECK_EQ(with_version(&elf_target_x86_64, 1), STATUS_OK);
	CHECK(era == &era_e1);
	CHECK_EQ(with_version(&elf_target_aarch64, 1), STATUS_OK);
	CHECK(era == &era_e1_arm);
}

static void a_file_without_a_note(void)
{
	static const char text[] = "\x7f"
				   "ELF Welcome to HermitCore-rs 0.3.44";
	static const char header[] = "\xfe\xca\xde\xc0\0\0\0\0HermitCore-rs";
	static const char newer[] = "\xfe\xca\xde\xc0\1\0\0\0";
	CHECK_EQ(without_note(&elf_target_x86_64, text, sizeof text), STATUS_OK);
	CHECK(era == &era_e1);
	CHECK_EQ(without_note(&elf_target_aarch64, text, sizeof text), STATUS_OK);
	CHECK(era == &era_e1_arm);
	// the shortest file with the name
	CHECK_EQ(without_note(&elf_target_x86_64, "HermitCore-rs", 13), STATUS_OK);
	CHECK_EQ(without_note(&elf_target_x86_64, "HermitCore-rs", 12), STATUS_ERA_NO_NOTE);
	CHECK_EQ(without_note(&elf_target_riscv64, text, sizeof text), STATUS_ERA_UNSUPPORTED);
	CHECK_EQ(without_note(&elf_target_x86_64, header, sizeof header), STATUS_OK);
	CHECK(era == &era_h0);
	CHECK_EQ(without_note(&elf_target_x86_64, header, 8), STATUS_OK);
	CHECK_EQ(without_note(&elf_target_x86_64, header, 7), STATUS_ERA_NO_NOTE);
	CHECK_EQ(without_note(&elf_target_aarch64, header, 8), STATUS_ERA_UNSUPPORTED);
	CHECK_EQ(without_note(&elf_target_x86_64, newer, 8), STATUS_ERA_NO_NOTE);
	CHECK_REFUSED_SO_FAR(without_note(&elf_target_x86_64, "HermitCore", 10), ERA_NO_NOTE,
			     "81 era-no-note: the file has no Hermit entry-version note, and no ");
}

// The newest kernels get no recursive top table; those before 0.10 know only Multiboot.
static void kernels_of_entry_version_4(void)
{
	static const struct {
		uint32_t kernel[3], uhyve;
		const struct era *x86_64, *aarch64;
	} rows[] = {
		{ { 0, 0, 0 }, 0, &era_e4, &era_e4 },
		{ { 0, 9, 9 }, 0, &era_e4, &era_e4 },
		{ { 0, 10, 0 }, 0, &era_e4_tagged, &era_e4_tagged },
		{ { 0, 13, 0 }, 1, &era_e4_tagged, &era_e4_tagged },
		{ { 0, 13, 0 }, 2, &era_e4_newest, &era_e4_tagged },
		{ { 0, 13, 0 }, 3, &era_e4_newest, &era_e4_tagged },
		{ { 1, 0, 0 }, 3, &era_e4_newest, &era_e4_tagged },
		{ { 0, 0, 0 }, 3, &era_e4, &era_e4 },
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct notes notes = { .has_entry_version = true,
				       .entry_version = 4,
				       .uhyve_interface = rows[i].uhyve };
		memcpy(notes.kernel, rows[i].kernel, sizeof notes.kernel);
		test_case("row %zu", i);
		CHECK_EQ(identify(&elf_target_x86_64, notes, "", 0, 0), STATUS_OK);
		CHECK(era == rows[i].x86_64);
		CHECK_EQ(identify(&elf_target_aarch64, notes, "", 0, 0), STATUS_OK);
		CHECK(era == rows[i].aarch64);
	}
	CHECK(!era_e4_newest.shape.recursive);
	for (enum start_kind start = 0; start < START_KINDS; start++) {
		const enum platform_tag want = start == START_LINUX  ? PLATFORM_TAG_LINUX_PARAMS
					       : start == START_UEFI ? PLATFORM_TAG_FDT
								     : PLATFORM_TAG_MULTIBOOT;
		CHECK_EQ(era_e4_newest.tags[start], want);
		CHECK_EQ(era_e4_tagged.tags[start], want);
		CHECK_EQ(era_e4.tags[start], PLATFORM_TAG_MULTIBOOT);
		CHECK_EQ(era_e3.tags[start], PLATFORM_TAG_MULTIBOOT);
	}
}

static void the_option_overrides_the_file(void)
{
	struct notes notes = { 0 };
	CHECK_EQ(identify(&elf_target_x86_64, notes, "", 0, 4), STATUS_OK);
	CHECK(era == &era_e4);
	CHECK_EQ(identify(&elf_target_x86_64, notes, "", 0, 1), STATUS_OK);
	CHECK(era == &era_e1);
	CHECK_EQ(identify(&elf_target_x86_64, notes, "", 0, ENTRY_VERSION_H0), STATUS_OK);
	CHECK(era == &era_h0);
	notes = (struct notes){ .has_entry_version = true,
				.entry_version = 5,
				.kernel = { 0, 20 } };
	CHECK_EQ(identify(&elf_target_x86_64, notes, "", 0, 4), STATUS_OK);
	CHECK(era == &era_e4_tagged);
	CHECK_REFUSED_SO_FAR(identify(&elf_target_x86_64, notes, "", 0, 9), ERA_UNSUPPORTED,
			     "81 era-unsupported: entry version 9, this loader supports ");
}

static void an_unknown_version_is_refused(void)
{
	CHECK_REFUSED_SO_FAR(with_version(&elf_target_x86_64, 0), ERA_UNSUPPORTED,
			     "81 era-unsupported: entry version 0, this loader supports ");
	CHECK_REFUSED_SO_FAR(
		with_version(&elf_target_x86_64, 5), ERA_UNSUPPORTED,
		"81 era-unsupported: entry version 5, this loader supports 1 to 4 "
		"(aarch64_be, riscv64: 3, 4): for a later kernel use a later loader, or try "
		"loader.era=e4");
	CHECK_REFUSED_SO_FAR(with_version(&elf_target_x86_64, 255), ERA_UNSUPPORTED,
			     "81 era-unsupported: entry version 255, this loader supports ");
}

static void the_multiboot_information(void)
{
	static const struct range usable[] = { { 0x1000, 0x9fc00 }, { 0x100000, 0x123456789a } };
	size_t n = multiboot_info_size(2);
	CHECK_EQ(n, 96 + 2 * 24);
	uint8_t *info = malloc(n), want[144] = { 0 };
	memset(info, 0xee, n);
	multiboot_info_write(info, 0xa123, 0xb456, usable, 2);
	want[0] = 0x44; // command line and memory map
	store_u32(want + 16, 0xb456, ORDER_LITTLE);
	store_u32(want + 44, 48, ORDER_LITTLE);
	store_u32(want + 48, 0xa123 + 96, ORDER_LITTLE);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *entry = want + 96 + 24 * i;
		store_u32(entry, 20, ORDER_LITTLE);
		store_u64(entry + 4, usable[i].start, ORDER_LITTLE);
		store_u64(entry + 12, usable[i].end - usable[i].start, ORDER_LITTLE);
		store_u32(entry + 20, 1, ORDER_LITTLE);
	}
	CHECK_BYTES(info, want, n);
	free(info);
}

#define T(name) { #name, name }
SUITE(era, T(the_entry_version_decides), T(a_file_without_a_note), T(kernels_of_entry_version_4),
      T(the_option_overrides_the_file), T(an_unknown_version_is_refused),
      T(the_multiboot_information));
