// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Whole runs on the fake PC.
#include "core/boot.h"
#include "core/panic.h"

#include <string.h>

#include "test/elf_builder.h"
#include "test/test.h"
#include "test/boot_checks.h"

static const struct range nowhere = { 0, 0 };
static uint8_t *file;
static struct fake_pc pc;

static void use(struct elf_spec spec, uint64_t ram)
{
	free(file);
	file = elf_write(&spec);
	pc = fake_pc_default(ram, file, spec.size);
	pc.cmdline = "hermit-loader a=b -- one two";
}

static const struct handover *boots(struct range moved)
{
	const struct fake_outcome *outcome = fake_pc_boot(&pc);
	check_handed_over(&pc, outcome, moved);
	return &outcome->handover;
}

static enum status refuses(void)
{
	const struct fake_outcome *outcome = fake_pc_boot(&pc);
	CHECK(outcome->end == FAKE_STOPPED);
	check_nothing_written(&pc);
	return outcome->status;
}

// The last line of the console, without its newline.
static const char *last_line(void)
{
	static char line[512];
	snprintf(line, sizeof line, "%s", console_text());
	size_t n = strlen(line);
	if (n == 0)
		return line;
	line[n - 1] = '\0';
	char *start = strrchr(line, '\n');
	return start != NULL ? start + 1 : line;
}

#define REFUSES(rule, text)                                      \
	do {                                                     \
		enum status got_ = refuses();                    \
		CHECK_STR(last_line(), "[LOADER][ERROR] " text); \
		CHECK_EQ(got_, STATUS_##rule);                   \
		status_seen[got_] = true;                        \
	} while (0)

static void a_relocatable_application(void)
{
	use(elf_default(), MIB(16));
	const struct handover *h = boots(nowhere);
	CHECK_EQ(h->image.start, 0x200000);
	CHECK_EQ(h->staging.start, h->image.start);
	CHECK_EQ(h->entry, 0x200000 + ELF_ENTRY);
	// after page 0x8000 and the start information at 0x9000
	CHECK_EQ(h->block->window.base, 0xa000);
	CHECK_STR((const char *)h->block->window.p + h->block->cmdline,
		  "hermit-loader a=b -- one two");
}

static void a_fixed_application(void)
{
	use(elf_fixed(0x800000), MIB(16));
	const struct handover *h = boots(nowhere);
	CHECK_EQ(h->image.start, 0x800000);
	CHECK_EQ(h->entry, 0x800000 + ELF_ENTRY);
}

// Era h0: the header is in the image, also where that is built elsewhere and moved.
static void a_header_in_the_image(void)
{
	for (unsigned staged = 0; staged < 2; staged++) {
		use(elf_fixed(0x200000), MIB(12));
		pc.cmdline = "a loader.era=h0";
		if (staged != 0)
			pc.loader = (struct range){ 0x1f8000, 0x202000 };
		const struct fake_outcome *outcome = fake_pc_boot(&pc);
		const struct handover *h = &outcome->handover;
		CHECK(outcome->end != FAKE_STOPPED);
		CHECK_EQ(h->info, 0x200000);
		CHECK_EQ(h->staging.start, staged != 0 ? 0x400000 : 0x200000);
		const uint8_t *header = fake_memory() + h->staging.start;
		CHECK_EQ(load_u64(header, ORDER_LITTLE), 0xc0decafe);
		CHECK_EQ(load_u64(header + 8, ORDER_LITTLE), 0x200000);
		CHECK_EQ(load_u64(header + 32, ORDER_LITTLE), 0x200080);
		CHECK_EQ(load_u64(header + 80, ORDER_LITTLE), 1); // size of the command line
	}
}

// Boot info is written to the header, so an image that is smaller has none.
static void a_header_needs_its_size(void)
{
	for (uint64_t n = 127; n <= 128; n++) {
		struct elf_spec spec = elf_fixed(0x200000);
		spec.phdr[SEGMENT_DATA].type = spec.phdr[SEGMENT_TEXT].type = 0;
		spec.phdr[SEGMENT_DYNAMIC].type = spec.phdr[SEGMENT_TLS].type = 0;
		spec.phdr[SEGMENT_TABLES].flags = 5;
		spec.phdr[SEGMENT_TABLES].filesz = spec.phdr[SEGMENT_TABLES].memsz = n;
		spec.entry = 0x200000;
		use(spec, MIB(12));
		pc.cmdline = "a loader.era=h0";
		if (n >= 128)
			CHECK(fake_pc_boot(&pc)->end != FAKE_STOPPED);
		else
			REFUSES(ERA_UNSUPPORTED,
				"81 era-unsupported: era h0 is for x86_64 and images of at least "
				"128 bytes, which the boot info needs; this image has 127");
	}
}

static void memory_above_4_gib_is_reported(void)
{
	use(elf_default(), MIB(16));
	pc.map[pc.map_count++] = (struct fake_pc_range){ GIB(4), GIB(8), 1 };
	const struct handover *h = boots(nowhere);
	const uint8_t *map = h->block->window.p + h->block->multiboot + 96;
	CHECK_EQ(load_u32(h->block->window.p + h->block->multiboot + 44, ORDER_LITTLE), 3 * 24);
	CHECK_EQ(load_u64(map + 48 + 4, ORDER_LITTLE), GIB(4));
	CHECK_EQ(load_u64(map + 48 + 12, ORDER_LITTLE), GIB(8));
}

// Every place of the file around the image's place: beside, backwards, moved, elsewhere.
static void the_file_may_be_anywhere(void)
{
	for (unsigned fixed = 0; fixed < 2; fixed++) {
		for (uint64_t at = 0x1fe000; at <= 0x206000; at += 0x200) {
			use(fixed != 0 ? elf_fixed(0x200000) : elf_default(), MIB(6));
			pc.app_at = at;
			test_case("%s, file at %lx", fixed != 0 ? "fixed" : "relocatable", at);
			const struct fake_outcome *outcome = fake_pc_boot(&pc);
			// Moved files go to the lowest place: page 1.
			bool moved = fixed != 0 && at > 0x200000 && at < 0x203200;
			check_handed_over(&pc, outcome,
					  moved ? (struct range){ 0x1000, 0x1000 + pc.app_size }
						: nowhere);
			CHECK(fixed != 0 ||
			      outcome->handover.image.start ==
				      (at > 0x200000 && at < 0x203200 ? 0x400000 : 0x200000));
		}
	}
}

static void a_large_image_over_its_file(void)
{
	struct elf_spec spec = elf_default();
	elf_grow(&spec, MIB(3));
	use(spec, MIB(12));
	pc.app_at = 0x1ff000;
	CHECK_EQ(boots(nowhere)->image.start, 0x200000);
	pc.app_at = 0x200200; // would have to go downwards: another place is found
	CHECK_EQ(boots(nowhere)->image.start, 0x600000);
}

static void the_image_covers_the_loader(void)
{
	use(elf_fixed(0x200000), MIB(12));
	pc.loader = (struct range){ 0x1f8000, 0x202000 };
	const struct handover *h = boots(nowhere);
	CHECK_EQ(h->image.start, 0x200000);
	CHECK_EQ(h->staging.start, 0x400000);
}

static void the_image_covers_loader_file_and_start_information(void)
{
	struct elf_spec spec = elf_fixed(0x200000);
	spec.phdr[SEGMENT_DATA].memsz = MIB(2);
	use(spec, MIB(12));
	pc.loader = (struct range){ 0x200000, 0x214000 };
	const struct handover *h = boots(nowhere);
	CHECK_EQ(h->staging.start, 0x600000);
	CHECK_STR((const char *)h->block->window.p + h->block->cmdline,
		  "hermit-loader a=b -- one two");
}

static void a_large_loader(void)
{
	use(elf_default(), MIB(16));
	pc.loader.end = 0x900000;
	CHECK_EQ(boots(nowhere)->image.start, 0xa00000);
	use(elf_fixed(0x400000), MIB(16));
	pc.loader.end = 0x900000;
	CHECK_EQ(boots(nowhere)->staging.start, 0xa00000);
}

static void embed(uint64_t at)
{
	pc.app_at = at;
	pc.module_count = 0;
	fake_embed((struct range){ at, at + pc.app_size });
}

static void an_application_within_the_loader(void)
{
	use(elf_default(), MIB(16));
	pc.cmdline = "hermit-loader loader.log=debug";
	embed(0x110010);
	CHECK_EQ(boots(nowhere)->image.start, 0x200000);
	CHECK(strstr(console_text(), "[LOADER][DEBUG] No application was passed: booting the one "
				     "built into the loader\n") != NULL);

	// Its place covers the loader, with it in it.
	use(elf_fixed(0x200000), MIB(12));
	pc.loader = (struct range){ 0x1f8000, 0x208000 };
	embed(0x201000);
	CHECK_EQ(boots(nowhere)->staging.start, 0x400000);

	// One that is given comes first.
	use(elf_fixed(0x800000), MIB(16));
	fake_embed((struct range){ 0x110000, 0x112000 });
	CHECK_EQ(boots(nowhere)->image.start, 0x800000);
	CHECK(strstr(console_text(), "within the loader") == NULL);
	fake_embed(nowhere);
}

static void an_image_above_1_gib(void)
{
	use(elf_fixed(GIB(1) + MIB(2)), GIB(1) + MIB(8));
	const struct handover *h = boots(nowhere);
	CHECK_EQ(h->block->window.base, 0xa000);
	CHECK_EQ(h->block->tables_size, 0x5000);
}

static void low_memory_is_not_there(void)
{
	use(elf_fixed(0x800000), MIB(12));
	pc.map[0].type = 2;
	const struct handover *h = boots(nowhere);
	CHECK(h->block->window.base >= MIB(1));
}

static void memory_refusals(void)
{
	use(elf_default(), MIB(3));
	pc.map[3].size = MIB(1);
	REFUSES(IMAGE_NO_ROOM, "83 image-no-room: the application needs 0x3200 contiguous bytes of "
			       "RAM at a multiple of 0x200000");
	use(elf_fixed(0x2fe000), MIB(3));
	REFUSES(IMAGE_NOT_IN_RAM, "83 image-not-in-ram: the application's fixed address range "
				  "0x2fe000..0x301200 is not free RAM: 0x300000 is used or no RAM");
	use(elf_fixed(0x118000), MIB(3));
	const struct fake_outcome *outcome = fake_pc_boot(&pc);
	CHECK_EQ(outcome->status, STATUS_NO_ROOM_BELOW_IMAGE);
	CHECK(strstr(last_line(),
		     "free bytes below the image at 0x118000 for the hand-over block") != NULL);
	check_nothing_written(&pc);
	use(elf_fixed(0x200000), MIB(3));
	pc.loader = (struct range){ 0x1f8000, 0x202000 };
	REFUSES(NO_ROOM_TO_MOVE, "85 no-room-to-move: the image 0x200000..0x203200 overlaps the "
				 "loader and no 0x4000 free bytes are above it, below 0x40000000");
}

// As on x86_64 for an image in more GiB above 4 GiB than there are page directories.
static void an_image_that_cannot_be_mapped(void)
{
	struct elf_spec spec = elf_fixed(0x800000);
	spec.phdr[SEGMENT_DATA].memsz = MIB(2);
	use(spec, MIB(16));
	fake_map_at_most(MIB(1));
	REFUSES(IMAGE_NO_ROOM, "83 image-no-room: the loader has too few page tables to map "
			       "0x800000..0xa02000");
	fake_map_at_most(UINT64_MAX);
}

static void formats(void)
{
	use(elf_default(), MIB(3));
	pc.module_count = 0;
	REFUSES(NO_MODULE, "65 no-module: no application was passed: with QEMU add -initrd APP, "
			   "with GRUB a module line");
	pc.module_count = 1;
	pc.app_size = 3;
	REFUSES(APP_UNKNOWN_FORMAT,
		"69 app-unknown-format: the file has 3 bytes, too few for an ELF file");
	pc.app_size = 0;
	REFUSES(APP_UNKNOWN_FORMAT,
		"69 app-unknown-format: the file has 0 bytes, too few for an ELF file");
	pc.app_size = 4;
	REFUSES(ELF_HEADER_BEYOND_FILE,
		"67 elf-header-beyond-file: the ELF header has 64 bytes, the file 0x4");
	file[3] = 'f';
	REFUSES(APP_UNKNOWN_FORMAT, "69 app-unknown-format: the file starts with 7f 45 4c 66, an "
				    "ELF file with 7f 45 4c 46");
	memcpy(file, "\xfd\x37\x7aX", 4);
	REFUSES(APP_UNKNOWN_FORMAT, "69 app-unknown-format: the file is compressed with xz; this "
				    "loader unpacks gzip only: unpack it (xz -d), or compress it "
				    "with gzip");
	memcpy(file, "\x28\xb5\x2f\xfd", 4);
	REFUSES(APP_UNKNOWN_FORMAT, "69 app-unknown-format: the file is compressed with Zstandard; "
				    "this loader unpacks gzip only: unpack it (zstd -d), or "
				    "compress it with gzip");
}

static void further_modules_cause_a_warning(void)
{
	use(elf_default(), MIB(6));
	pc.module_count = 3;
	(void)boots(nowhere);
	CHECK(strstr(console_text(), "[LOADER][WARN] 3 modules were passed: the first one is "
				     "booted, the others are ignored\n") != NULL);
}

static void a_bad_relocation_is_found_late(void)
{
	struct elf_spec spec = elf_default();
	spec.rela[1].info = R_COPY;
	use(spec, MIB(6));
	const struct fake_outcome *outcome = fake_pc_boot(&pc);
	CHECK_EQ(outcome->status, STATUS_RELOC_TYPE);
	CHECK_STR(last_line(), "[LOADER][ERROR] 79 reloc-type: relocation type 5 at 0x2008");
	CHECK_EQ(outcome->leave_count, 0);
	CHECK(strstr(console_text(), "Loading kernel") == NULL);
}

static void levels_of_the_log(void)
{
	use(elf_default(), MIB(6));
	pc.cmdline = "hermit-loader loader.log=error";
	(void)boots(nowhere);
	CHECK_STR(console_text(), "");
	pc.cmdline = "hermit-loader loader.log=trace";
	(void)boots(nowhere);
	static const char *const lines[] = {
		"[LOADER][DEBUG] Loader: [0x100000 - 0x114000]\n",
		"[LOADER][DEBUG] Found Multiboot information at 0x9f00\n",
		"[LOADER][TRACE] Usable memory: [0x0 - 0x9fc00]\n",
		"[LOADER][TRACE] Usable memory: [0x100000 - 0x600000]\n",
		"[LOADER][DEBUG] Found Hermit version 0.11.0\n",
		"[LOADER][DEBUG] Module length: 0x600\n",
		"[LOADER][INFO] Loading kernel to 0x200000..0x203200 (len = 0x3200 B / 12800 B)\n",
		"[LOADER][DEBUG] TLS is at 0x202020..0x202050 (len =  0x30 B / 48 B)\n",
		"[LOADER][DEBUG] Map 1 pages at 0x200000 (page size 2048 KByte)\n",
	};
	for (size_t i = 0; i < countof(lines); i++)
		CHECK_STR(strstr(console_text(), lines[i]) != NULL ? lines[i] : "", lines[i]);
}

static void an_assertion_stops_the_machine(void)
{
	console_open();
	const struct fake_outcome *outcome = fake_run((void (*)(void *))(uintptr_t)assert_failed,
						      (void *)(uintptr_t)"1 == 2");
	CHECK_EQ(outcome->end, FAKE_STOPPED);
	CHECK_REFUSED(outcome->status, INTERNAL_ASSERT,
		      "99 internal-assert: 1 == 2 failed; please report it with the command line");
}

static void options_are_refused(void)
{
	use(elf_default(), MIB(6));
	pc.cmdline = "hermit-loader loader.selftest=de";
	REFUSES(OPTION_UNKNOWN, "93 option-unknown: loader.selftest= works in debug builds only");
	pc.cmdline = "hermit-loader loader.selftest= loader.what=1";
	REFUSES(OPTION_UNKNOWN, "93 option-unknown: loader.what= is unknown; known are log, "
				"log-style, onerror, era");
	pc.cmdline = "hermit-loader loader.log=debug\xff";
	REFUSES(OPTION_VALUE, "93 option-value: loader.log= does not know \"debug\xff\"");
	pc.cmdline = "hermit-loader \xff";
	REFUSES(CMDLINE_NOT_UTF8,
		"93 cmdline-not-utf8: byte 0xff at 14 of the command line is not UTF-8");
	free(file);
	file = NULL;
}

static void without_a_command_line(void)
{
	use(elf_default(), MIB(16));
	pc.cmdline = NULL;
	CHECK_EQ(boots(nowhere)->block->cmdline_size, 0);
	free(file);
	file = NULL;
}

#define T(name) { #name, name }
SUITE(boot, T(without_a_command_line), T(a_relocatable_application), T(a_fixed_application),
      T(a_header_in_the_image), T(a_header_needs_its_size), T(memory_above_4_gib_is_reported),
      T(the_file_may_be_anywhere), T(a_large_image_over_its_file), T(the_image_covers_the_loader),
      T(the_image_covers_loader_file_and_start_information), T(a_large_loader),
      T(an_application_within_the_loader), T(an_image_above_1_gib), T(low_memory_is_not_there),
      T(memory_refusals), T(an_image_that_cannot_be_mapped), T(formats),
      T(further_modules_cause_a_warning), T(a_bad_relocation_is_found_late), T(levels_of_the_log),
      T(an_assertion_stops_the_machine), T(options_are_refused));
