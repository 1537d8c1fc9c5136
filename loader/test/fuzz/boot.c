// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A whole boot on the fake PC. Input: the application's file; its last bytes are also settings of
// the machine and the command line. Findings: a write outside of the ranges that a boot may use, an
// image that is not what the file says, and a hand-over in which the fixtures' own reader does not
// find what was passed.
#include "core/gzip.h"
#include "fdt.h"
#include "test/elf_model.h"
#include "test/fake_pc.h"
#include "test/fuzz/fuzz.h"

#include "bootinfo.h"

enum { TAIL = 48, CLASS_RELOCATION = 79, LOW_RAM_END = 0x9fc00 };

static bool inside(uint64_t address, struct range r)
{
	return address >= r.start && address < r.end;
}

// Calls FUZZ_CHECK for each byte that has changed outside of `allowed`.
static void check_writes(const struct fake_pc *pc, const struct range *allowed, size_t count)
{
	const uint8_t *now = fake_memory(), *before = fake_before();
	for (uint64_t page = 0; page < pc->ram; page += PAGE_SIZE) {
		if (memcmp(now + page, before + page, PAGE_SIZE) == 0)
			continue;
		for (uint64_t at = page; at < page + PAGE_SIZE; at++) {
			bool good = now[at] == before[at];
			for (size_t i = 0; i < count && !good; i++)
				good = inside(at, allowed[i]);
			FUZZ_CHECK(good);
		}
	}
}

// After a refusal nothing is written, with two exceptions that end within free RAM: an unpacked
// file, and an image with a bad relocation.
static void check_refused(const struct fake_pc *pc, enum status status, bool packed)
{
	const struct range free_ram[] = { { PAGE_SIZE, LOW_RAM_END }, { pc->loader.end, pc->ram } };
	FUZZ_CHECK(status != STATUS_OK && status != STATUS_INTERNAL_ASSERT);
	FUZZ_CHECK(strstr(console_text(), "[LOADER][ERROR] ") != NULL);
	const bool written = packed || status_number(status) == CLASS_RELOCATION;
	check_writes(pc, free_ram, written ? countof(free_ram) : 0);
}

static bool any(void *context, const struct fdt_property *property)
{
	(void)context;
	return property->name != NULL;
}

// Entry version 4, as kernels read it.
static void check_boot_info(const struct fake_pc *pc, const struct handover *h)
{
	struct hermit_boot_info info;
	struct fdt_reserve reserved;
	uint32_t n = 0;
	memcpy(&info, fake_memory() + h->info, sizeof info);
	FUZZ_CHECK(info.load.image_start == h->image.start && info.load.image_end == h->image.end);
	FUZZ_CHECK(info.platform == HERMIT_PLATFORM_MULTIBOOT ||
		   info.platform == HERMIT_PLATFORM_FDT);
	const struct handover_block *b = h->block;
	const struct range block = { b->window.base, b->window.base + b->size };
	FUZZ_CHECK(inside(info.hardware.device_tree, block));
	const uint8_t *tree = fake_memory() + info.hardware.device_tree;
	FUZZ_CHECK(fdt_walk(tree, any, NULL) == NULL);
	FUZZ_CHECK(info.hardware.device_tree + fdt_total_size(tree) <= block.end);
	FUZZ_CHECK(fdt_reserved(tree, 0, &reserved) && reserved.start == block.start &&
		   reserved.size == b->size);
	// The command line has no option of the loader here, so it arrives as it was passed.
	const size_t size = strlen(pc->cmdline);
	const uint8_t *line = fdt_find(tree, "chosen", "bootargs", &n);
	if (strstr(pc->cmdline, "loader.") == NULL && size != 0)
		FUZZ_CHECK(line != NULL && n == size + 1 && memcmp(line, pc->cmdline, n) == 0);
}

static void check_image(const struct fake_pc *pc, const struct handover *h)
{
	struct model model = model_load((struct span){ pc->app, pc->app_size }, h->image.start);
	FUZZ_CHECK(model.size == range_size(h->image));
	FUZZ_CHECK(memcmp(fake_memory() + h->image.start, model.bytes, model.size) == 0);
	FUZZ_CHECK(h->entry == model.entry);
	free(model.bytes);
}

static bool is_e4(const struct handover *h)
{
	return h->shape == &era_e4.shape || h->shape == &era_e4_tagged.shape ||
	       h->shape == &era_e4_newest.shape;
}

static void check_handed_over(const struct fake_pc *pc, const struct handover *h, bool packed)
{
	const struct handover_block *b = h->block;
	const struct range block = { b->window.base, b->window.base + b->size };
	const struct range file = { pc->app_at, pc->app_at + pc->app_size };
	struct range allowed[] = { block, h->image, h->staging, { 0, 0 }, { 0, 0 } };
	FUZZ_CHECK(block.start >= PAGE_SIZE && block.end <= h->image.start);
	FUZZ_CHECK(!range_overlaps(block, pc->loader));
	// The file is unpacked, or was moved out of the image's way: to free RAM.
	if (packed || range_overlaps(h->image, file)) {
		allowed[3] = (struct range){ PAGE_SIZE, LOW_RAM_END };
		allowed[4] = (struct range){ pc->loader.end, pc->ram };
	}
	check_writes(pc, allowed, countof(allowed));
	// The header of era h0 is in the image.
	if (!packed && inside(h->info, block))
		check_image(pc, h);
	if (is_e4(h))
		check_boot_info(pc, h);
}

// Settings: RAM, where the file is (0: as QEMU puts it), and the loader's size.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint64_t rams[] = { 0x210000, 0x210000, MIB(4), MIB(6) };
	char line[TAIL];
	if (n < TAIL || n > MIB(1))
		return 0;
	const uint8_t *tail = data + n - TAIL;
	struct fake_pc pc = fake_pc_default(rams[tail[0] % countof(rams)], data, n);
	for (size_t i = 0; i < TAIL - 4; i++)
		line[i] = (char)(tail[4 + i] % 0x80);
	line[TAIL - 4] = '\0';
	pc.cmdline = line;
	pc.loader.end += (uint64_t)(tail[1] % 8) * PAGE_SIZE;
	pc.app_at = align_up(fake_pc_cmdline_at(&pc) + TAIL, PAGE_SIZE);
	if (tail[2] % 4 == 1 && pc.ram > MIB(2) + n)
		pc.app_at = align_down(MIB(2) + tail[3] * UINT64_C(16), 4);
	if (pc.app_at + n > pc.ram)
		return 0;
	const bool packed = gzip_recognise((struct span){ data, n });
	const struct fake_outcome *outcome = fake_pc_boot(&pc);
	if (outcome->end == FAKE_STOPPED)
		check_refused(&pc, outcome->status, packed);
	else
		check_handed_over(&pc, &outcome->handover, packed);
	return 0;
}
