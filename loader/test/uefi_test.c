// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Whole runs under a fake UEFI firmware: from the entry point to the hand-over, or back to the
// firmware.
#include "test/fake_uefi.h"

#include <string.h>

#include "core/span.h"
#include "test/elf_builder.h"
#include "test/fdt_reader.h"
#include "test/test.h"

static const char hermit_app[] = "\\EFI\\hermit\\hermit-app",
		  boot_app[] = "\\EFI\\BOOT\\hermit-app";
static const char hermit_words[] = "\\EFI\\hermit\\hermit-bootargs",
		  boot_words[] = "\\EFI\\BOOT\\hermit-bootargs";

static struct fake_uefi uefi;
static const struct fake_uefi_outcome *outcome;
static uint8_t *app;
static size_t app_size;

static void use(struct elf_spec spec)
{
	free(app);
	app = elf_write(&spec);
	app_size = spec.size;
	uefi = fake_uefi_default();
}

static void add_app(const char *path)
{
	fake_uefi_add(&uefi, path, app, app_size);
}

static void start(void)
{
	use(elf_default());
	add_app(hermit_app);
}

// Whatever the end: the firmware's rules were kept.
static void boot(void)
{
	outcome = fake_uefi_boot(&uefi);
	CHECK_EQ(outcome->misuse, 0);
	CHECK_EQ(outcome->open_files, 0);
	CHECK(!outcome->watchdog);
}

static const struct handover *boots(void)
{
	boot();
	CHECK_STR(outcome->end == FAKE_UEFI_HANDED_OVER ? "" : console_text(), "");
	return outcome->end == FAKE_UEFI_HANDED_OVER ? outcome->handover : NULL;
}

// The firmware gets the number, and the machine as it was.
static enum status refuses(enum status want)
{
	boot();
	CHECK_EQ(outcome->end, FAKE_UEFI_RETURNED);
	CHECK_EQ(outcome->returned, UINT64_C(3) << 62 | status_number(want));
	CHECK_EQ(outcome->pages, 0);
	CHECK(!outcome->exceptions);
	status_seen[want] = true;
	return want;
}

#define REFUSES(rule, text) CHECK_REFUSED(refuses(STATUS_##rule), rule, text)

static const char *tree(const struct handover *h)
{
	static char text[1 << 14];
	const struct handover_block *b = h->block;
	CHECK(fdt_text(b->window.p + b->fdt, b->fdt_size, text, sizeof text));
	return text;
}

// Whether the tree has a node of that name and place with `size`.
static void check_node(const struct handover *h, const char *name, uint64_t at, uint64_t size)
{
	char want[120];
	const char *text = tree(h);
	snprintf(want, sizeof want, "/%s@%lx reg = %08lx %08lx %08lx %08lx\n", name, at, at >> 32,
		 at & UINT32_MAX, size >> 32, size & UINT32_MAX);
	CHECK_STR(strstr(text, want) != NULL ? want : text, want);
}

static void check_words(const struct handover *h, const char *want)
{
	if (h != NULL)
		CHECK_STR((const char *)h->block->window.p + h->block->cmdline, want);
}

static void an_application_of_the_disk(void)
{
	start();
	const struct handover *h = boots();
	if (h == NULL)
		return;
	CHECK_EQ(h->image.start, FAKE_UEFI_RAM_AT + MIB(2));
	CHECK_EQ(h->entry, h->image.start + ELF_ENTRY);
	CHECK_EQ(outcome->exits, 1);
	CHECK(strstr(tree(h), "hermit,rsdp") == NULL && strstr(tree(h), "sev") == NULL);
}

static void the_hermit_directory_takes_precedence(void)
{
	use(elf_default());
	fake_uefi_add(&uefi, boot_app, "no application", 14);
	fake_uefi_add(&uefi, boot_words, "wrong", 5);
	add_app(hermit_app);
	fake_uefi_add(&uefi, hermit_words, "right", 5);
	check_words(boots(), "right");
	use(elf_default());
	add_app(boot_app);
	fake_uefi_add(&uefi, boot_words, "-- one\r\n\n", 9);
	check_words(boots(), "-- one");
}

static void options_precede_the_file(void)
{
	start();
	fake_uefi_add(&uefi, hermit_words, "from the file", 13);
	fake_uefi_options(&uefi, "from the options");
	check_words(boots(), "from the options");
	fake_uefi_options(&uefi, "  ");
	check_words(boots(), "from the file");
	// a boot manager's own
	uefi.options = (struct span){ (const uint8_t *)"\1\0\2\0odd", 7 };
	check_words(boots(), "from the file");
}

static void options_name_the_application(void)
{
	use(elf_default());
	fake_uefi_add(&uefi, hermit_app, "no application", 14);
	add_app("\\apps\\mine");
	fake_uefi_options(&uefi, "initrd=/apps/mine -- word");
	check_words(boots(), "-- word");
	fake_uefi_options(&uefi, "initrd=\\apps\\other -- word");
	REFUSES(NO_MODULE, "65 no-module: initrd=\\apps\\other is not on the volume that the "
			   "loader came from");
	char longest[7 + 257] = "initrd=";
	memset(longest + 7, 'x', 256);
	fake_uefi_options(&uefi, longest);
	REFUSES(OPTION_VALUE, "93 option-value: the path of initrd= has more than 255 characters");
}

// The shell's options begin with what was typed to start the loader.
static void the_shell_starts_it(void)
{
	use(elf_default());
	uefi.shell = true;
	add_app("\\apps\\mine");
	fake_uefi_options(&uefi, "FS0:\\hermit.efi initrd=/apps/mine -- word");
	check_words(boots(), "-- word");
	add_app(hermit_app);
	fake_uefi_options(&uefi, "FS0:\\hermit.efi -- word");
	check_words(boots(), "-- word");
	fake_uefi_options(&uefi, "hermit.efi");
	check_words(boots(), "");
}

static void the_offered_ram_disk_takes_precedence(void)
{
	use(elf_default());
	uefi.offered = (struct span){ app, app_size };
	fake_uefi_add(&uefi, hermit_app, "no application", 14);
	fake_uefi_options(&uefi, "initrd=initrd -- word");
	check_words(boots(), "-- word");
	uefi.no_volume = true;
	check_words(boots(), "-- word");
	// the firmware has the device, and nothing on it
	uefi.offered_size = EFI_NOT_FOUND;
	uefi.no_volume = false;
	fake_uefi_options(&uefi, "loader.log=error");
	REFUSES(APP_UNKNOWN_FORMAT, "69 app-unknown-format: the file starts with 6e 6f 20 61, an "
				    "ELF file with 7f 45 4c 46");
}

static void no_application(void)
{
	use(elf_default());
	REFUSES(NO_MODULE, "65 no-module: no application: neither \\EFI\\hermit\\hermit-app nor "
			   "\\EFI\\BOOT\\hermit-app is on the volume that the "
			   "loader came from (QEMU: -initrd APP)");
	uefi.no_volume = true;
	REFUSES(NO_MODULE, "65 no-module: no application: neither \\EFI\\hermit\\hermit-app nor "
			   "\\EFI\\BOOT\\hermit-app is on the volume that the "
			   "loader came from (QEMU: -initrd APP)");
	fake_uefi_options(&uefi, "loader.onerror=stop");
	boot();
	CHECK_EQ(outcome->end, FAKE_UEFI_STOPPED);
	CHECK_EQ(outcome->number, 65);
}

static void files_that_cannot_be_read(void)
{
	start();
	uefi.file[0].open = EFI_ERROR_BIT | 15;
	REFUSES(FIRMWARE_REFUSED, "91 firmware-refused: opening \\EFI\\hermit\\hermit-app returned "
				  "0x800000000000000f");
	uefi.file[0].open = EFI_SUCCESS;
	uefi.file[0].read = EFI_ERROR_BIT | 7;
	REFUSES(FIRMWARE_REFUSED, "91 firmware-refused: reading \\EFI\\hermit\\hermit-app ended "
				  "after 0 of 1536 bytes with 0x8000000000000007");
	uefi.file[0].read = EFI_SUCCESS;
	uefi.file[0].once = 7; // in small pieces is no failure
	CHECK(boots() != NULL);
	uefi.no_loaded_image = true;
	REFUSES(FIRMWARE_REFUSED,
		"91 firmware-refused: the firmware has no LoadedImage protocol for the loader");
	use(elf_default());
	uefi.offered = (struct span){ app, app_size };
	uefi.offered_size = EFI_INVALID_PARAMETER;
	REFUSES(FIRMWARE_REFUSED, "91 firmware-refused: asking for the size of the RAM disk "
				  "returned 0x8000000000000002");
	uefi.offered_size = EFI_BUFFER_TOO_SMALL;
	uefi.offered_data = EFI_INVALID_PARAMETER;
	REFUSES(FIRMWARE_REFUSED, "91 firmware-refused: loading the RAM disk of 0x600 bytes "
				  "returned 0x8000000000000002");
}

// Whichever allocation fails first: one line, everything back to the firmware.
static void memory_that_the_firmware_does_not_give(void)
{
	unsigned failed = 0;
	start();
	fake_uefi_options(&uefi, "loader.log=error");
	for (boot(); outcome->end != FAKE_UEFI_HANDED_OVER || failed == 0; failed++) {
		test_case("allocation %u", failed);
		uefi.allocations = failed;
		boot();
		if (outcome->end == FAKE_UEFI_HANDED_OVER)
			break;
		refuses(STATUS_FIRMWARE_REFUSED);
		CHECK(strstr(console_text(), "[LOADER][ERROR] 91 firmware-refused: ") ==
		      console_text());
	}
	CHECK_EQ(failed, 5); // options, file, memory map, image, block
}

static void memory_maps(void)
{
	start();
	uefi.map_calls = 0;
	REFUSES(FIRMWARE_REFUSED, "91 firmware-refused: GetMemoryMap returned 0x8000000000000007");
	uefi.map_calls = 2;
	fake_uefi_options(&uefi, "loader.log=error");
	REFUSES(FIRMWARE_REFUSED,
		"91 firmware-refused: GetMemoryMap returned 0x8000000000000007 while leaving");
	uefi.map_calls = UINT32_MAX;
	uefi.map_stride = 39;
	REFUSES(MEMORY_MAP_MALFORMED,
		"89 memory-map-malformed: the firmware's memory map has entries of 39 bytes");
	uefi.map_stride = 40;
	CHECK(boots() != NULL);
	uefi.map_stride = 256;
	CHECK(boots() != NULL);
}

// What the firmware keeps for good is no RAM to the application; what was its own for booting is.
static void the_reported_memory(void)
{
	start();
	const struct handover *h = boots();
	if (h == NULL)
		return;
	uint64_t from = FAKE_UEFI_RAM_AT + FAKE_UEFI_RESERVED_PAGES * PAGE_SIZE;
	check_node(h, "memory", from, FAKE_UEFI_RAM_AT + FAKE_UEFI_RAM - from);
	// Nothing of the loader is at the firmware's pages.
	CHECK(h->block->window.base >= from + FAKE_UEFI_SERVICE_PAGES * PAGE_SIZE);
}

static void leaving_is_tried_again(void)
{
	start();
	for (unsigned stale = 1; stale <= 7; stale++) {
		test_case("%u stale keys", stale);
		uefi.stale = stale;
		CHECK(boots() != NULL);
		CHECK_EQ(outcome->exits, stale + 1);
	}
	uefi.stale = 8;
	fake_uefi_options(&uefi, "loader.log=error");
	REFUSES(FIRMWARE_REFUSED,
		"91 firmware-refused: ExitBootServices returned 0x8000000000000002 8 times");
}

static void fixed_addresses(void)
{
	const uint64_t at = FAKE_UEFI_RAM_AT + MIB(8);
	use(elf_fixed(at));
	add_app(hermit_app);
	const struct handover *h = boots();
	if (h != NULL)
		CHECK_EQ(h->image.start, at);
}

// A fixed image in memory of the firmware waits elsewhere until the firmware has left. The firmware
// poisons its page: nothing is written there before.
static void fixed_addresses_in_memory_of_the_firmware(void)
{
	static const struct {
		uint8_t type;
		const char *name; // NULL: boots
	} types[] = {
		{ 0, "reserved" },
		{ EFI_BOOT_SERVICES_CODE, NULL },
		{ EFI_BOOT_SERVICES_DATA, NULL },
		{ 5, "runtime services code" },
		{ 6, "runtime services data" },
		{ 8, "unusable memory" },
		{ 9, "ACPI reclaim memory" },
		{ 10, "ACPI memory NVS" },
		{ 15, "unaccepted memory" },
		{ 16, "of a type of this firmware" },
	};
	const uint64_t at = FAKE_UEFI_RAM_AT + MIB(8);
	use(elf_fixed(at));
	add_app(hermit_app);
	fake_uefi_options(&uefi, "loader.log=error");
	uefi.page.at = at + PAGE_SIZE;
	for (size_t i = 0; i < countof(types); i++) {
		char text[200];
		test_case("type %u", types[i].type);
		uefi.page.type = uefi.page.after = types[i].type;
		snprintf(text, sizeof text,
			 "83 image-not-in-ram: the application's fixed address range "
			 "0x10800000..0x10803200 is not free RAM: 0x10801000 is %s",
			 types[i].name);
		if (types[i].name != NULL) {
			REFUSES(IMAGE_NOT_IN_RAM, text);
			continue;
		}
		const struct handover *h = boots();
		if (h == NULL)
			continue;
		CHECK_EQ(h->image.start, at);
		CHECK(!range_overlaps(h->staging, h->image));
		CHECK_EQ(range_size(h->staging), ELF_IMAGE_SIZE);
		CHECK_BYTES((const uint8_t *)h->image.start + VADDR_TEXT, app + AT_TEXT, 0x40);
	}
	uefi.page.at = FAKE_UEFI_RAM_AT + FAKE_UEFI_RAM; // beyond
	use(elf_fixed(FAKE_UEFI_RAM_AT + FAKE_UEFI_RAM));
	add_app(hermit_app);
	fake_uefi_options(&uefi, "loader.log=error");
	REFUSES(IMAGE_NOT_IN_RAM,
		"83 image-not-in-ram: the application's fixed address range 0x11000000..0x11003200 "
		"is not free RAM: 0x11000000 is not in the firmware's memory map");
}

// The memory map may change until ExitBootServices succeeds.
static void memory_that_the_firmware_keeps_in_the_end(void)
{
	const uint64_t at = FAKE_UEFI_RAM_AT + MIB(8);
	use(elf_fixed(at));
	add_app(hermit_app);
	fake_uefi_options(&uefi, "loader.log=error");
	uefi.page.at = at + PAGE_SIZE;
	uefi.page.type = EFI_BOOT_SERVICES_DATA;
	uefi.page.after = 10;
	boot();
	CHECK_EQ(outcome->end, FAKE_UEFI_STOPPED);
	CHECK_EQ(outcome->number, 83);
	CHECK_STR(console_text(),
		  "[LOADER][ERROR] 83 image-not-in-ram: the firmware kept memory of "
		  "the application's range 0x10800000..0x10803200\n");
}

// Every memory type: RAM of the kernel is what was conventional, the loader's or boot services'.
static void the_reported_memory_by_type(void)
{
	const uint64_t at = FAKE_UEFI_RAM_AT + MIB(12), end = FAKE_UEFI_RAM_AT + FAKE_UEFI_RAM;
	const uint64_t from = FAKE_UEFI_RAM_AT + FAKE_UEFI_RESERVED_PAGES * PAGE_SIZE;
	start();
	uefi.page.at = at;
	for (uint8_t type = 0; type <= 16; type++) {
		const bool is_ram = (type >= EFI_LOADER_CODE && type <= EFI_BOOT_SERVICES_DATA) ||
				    type == EFI_CONVENTIONAL_MEMORY;
		test_case("type %u", type);
		uefi.page.type = uefi.page.after = type;
		const struct handover *h = boots();
		if (h == NULL)
			continue;
		check_node(h, "memory", from, (is_ram ? end : at) - from);
		if (!is_ram)
			check_node(h, "memory", at + PAGE_SIZE, end - at - PAGE_SIZE);
		// The final memory map counts.
		uefi.page.type = EFI_CONVENTIONAL_MEMORY;
		h = boots();
		if (h != NULL)
			check_node(h, "memory", from, (is_ram ? end : at) - from);
		uefi.page.type = is_ram ? 10 : EFI_BOOT_SERVICES_DATA;
		h = boots();
		if (h != NULL)
			check_node(h, "memory", from, (is_ram ? end : at) - from);
	}
}

static const struct efi_guid acpi20 = {
	0x8868e871, 0xe4f1, 0x11d3, { 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 }
};
static const struct efi_guid acpi10 = {
	0xeb9d2d30, 0x2d88, 0x11d3, { 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d }
};
static const struct efi_guid sev = {
	0x067b1f5f, 0xcf26, 0x44c5, { 0x85, 0x54, 0x93, 0xd7, 0x77, 0x91, 0x2d, 0x42 }
};

static void add_table(const struct efi_guid *guid, const void *table)
{
	uefi.table[uefi.table_count++] = (struct efi_configuration_table){ *guid, table };
}

// The copy of `n` bytes that the node names is in the block.
static void check_copy(const struct handover *h, const char *name, uint64_t offset,
		       const void *bytes, size_t n)
{
	check_node(h, name, h->block->window.base + offset, 1);
	CHECK_BYTES(h->block->window.p + offset, bytes, n);
}

// N-07.
static void tables_are_copied_and_named(void)
{
	static const uint8_t older[20] = "RSD PTR older";
	static uint8_t newer[36] = "RSD PTR newer";
	static uint8_t blob[40] = "AMDE blob";
	newer[15] = 2;
	newer[20] = sizeof newer;
	memset(blob + 16, 0x5a, 24);
	start();
	add_table(&acpi10, older);
	uint8_t *exact = exact_copy(blob, sizeof blob);
	add_table(&sev, exact);
	const struct handover *h = boots();
	if (h == NULL)
		return;
	check_copy(h, "hermit,rsdp", h->block->rsdp, older, sizeof older);
	check_copy(h, "hermit,efi_sev_snp_cc_blob", h->block->cc_blob, blob, sizeof blob);
	add_table(&acpi20, newer);
	h = boots();
	if (h != NULL)
		check_copy(h, "hermit,rsdp", h->block->rsdp, newer, sizeof newer);
	free(exact);
}

static void tables_that_are_none_are_left_out(void)
{
	start();
	add_table(&acpi20, "no root pointer at all");
	add_table(&sev, "no blob");
	const struct handover *h = boots();
	if (h == NULL)
		return;
	CHECK(strstr(tree(h), "rsdp") == NULL && strstr(tree(h), "sev") == NULL);
	CHECK(strstr(console_text(),
		     "[LOADER][WARN] no valid SEV-SNP confidential computing blob at ") != NULL);
}

#define T(name) { #name, name }
SUITE(uefi, T(an_application_of_the_disk), T(the_hermit_directory_takes_precedence),
      T(options_precede_the_file), T(options_name_the_application), T(the_shell_starts_it),
      T(the_offered_ram_disk_takes_precedence), T(no_application), T(files_that_cannot_be_read),
      T(memory_that_the_firmware_does_not_give), T(memory_maps), T(the_reported_memory),
      T(leaving_is_tried_again), T(fixed_addresses), T(fixed_addresses_in_memory_of_the_firmware),
      T(memory_that_the_firmware_keeps_in_the_end), T(the_reported_memory_by_type),
      T(tables_are_copied_and_named), T(tables_that_are_none_are_left_out));
