// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "test/boot_checks.h"

#include <string.h>

#include "core/span.h"
#include "test/elf_model.h"
#include "test/fdt_reader.h"
#include "test/page_walk.h"
#include "test/test.h"

static char text[1 << 14];

static uint8_t *before(void)
{
	return (uint8_t *)(uintptr_t)fake_before();
}

void check_nothing_written(const struct fake_pc *pc)
{
	CHECK_BYTES(fake_memory(), before(), pc->ram);
}

// Lets `r` pass in the comparison that follows.
static void accept_changes(struct range r)
{
	if (r.start < r.end)
		memcpy(before() + r.start, fake_memory() + r.start, r.end - r.start);
}

static void check_image(const struct fake_pc *pc, const struct handover *h)
{
	struct model model = model_load((struct span){ pc->app, pc->app_size }, h->image.start);
	CHECK_EQ(range_size(h->image), model.size);
	if (range_size(h->image) == model.size)
		CHECK_BYTES(fake_memory() + h->image.start, model.bytes, model.size);
	CHECK_EQ(h->entry, model.entry);
	free(model.bytes);
}

static void check_tables(const struct handover *h)
{
	const struct handover_block *b = h->block;
	char want[256];
	uint64_t from = align_down(h->image.start, MIB(2)), to = align_up(h->image.end, MIB(2));
	CHECK(page_walk((struct window){ b->window.p + b->tables, b->window.base + b->tables,
					 b->tables_size },
			text, sizeof text));
	snprintf(want, sizeof want,
		 "%lx..%lx -> %lx 4K 3\n%lx..%lx -> %lx 2M 83\nrecursive 511 3\n", b->window.base,
		 b->window.base + b->size, b->window.base, from, to, from);
	CHECK_STR(text, want);
}

static uint64_t info(const struct handover *h, unsigned at)
{
	return load_u64(fake_memory() + h->info + at, ORDER_LITTLE);
}

static void check_block(const struct handover *h)
{
	const struct handover_block *b = h->block;
	CHECK(b->window.p == fake_memory() + b->window.base && b->window.base % PAGE_SIZE == 0);
	CHECK(b->window.base + b->size <= h->image.start);
	// 8 above its low end, which is the lowest address of the block
	CHECK_EQ(h->stack, b->window.base + 8);
	CHECK_EQ(h->info, b->window.base + b->info);
	CHECK_EQ(h->cpu, 0);
	CHECK_EQ(info(h, 0), align_down(h->image.start, MIB(2)));
	CHECK_EQ(info(h, 24), b->window.base + b->fdt);
	CHECK_EQ(info(h, 32), h->image.start);
	CHECK_EQ(info(h, 40), h->image.end);
	CHECK_EQ(info(h, 88), b->window.base + b->cmdline);
	CHECK_EQ(info(h, 96), strlen((const char *)b->window.p + b->cmdline));
	CHECK_EQ(info(h, 104), b->window.base + b->multiboot);
	CHECK(fdt_text(b->window.p + b->fdt, b->fdt_size, text, sizeof text));
	for (uint64_t i = 0; i < b->trampoline_capacity; i++)
		CHECK(b->window.p[b->trampoline + i] == FAKE_TRAMPOLINE_BYTE);
}

static void check_lines(const struct handover *h)
{
	static const char first[] = "[LOADER][INFO] Hermit loader ";
	char want[200];
	const char *line = console_text(), *second = strchr(line, '\n');
	if (strncmp(line, first, sizeof first - 1) != 0 || second == NULL)
		return; // a test that asks for more lines looks at them itself
	uint64_t n = range_size(h->image);
	snprintf(want, sizeof want,
		 "[LOADER][INFO] Loading kernel to 0x%lx..0x%lx (len = 0x%lx B / %lu B)\n",
		 h->image.start, h->image.end, n, n);
	if (strstr(line, "][DEBUG]") == NULL && strstr(line, "][WARN]") == NULL)
		CHECK_STR(second + 1, want);
}

void check_handed_over(const struct fake_pc *pc, const struct fake_outcome *outcome,
		       struct range moved)
{
	const struct handover *h = &outcome->handover;
	CHECK_STR(outcome->end == FAKE_HANDED_OVER ? "" : console_text(), "");
	if (outcome->end != FAKE_HANDED_OVER)
		return;
	CHECK_EQ(outcome->leave_count, 1);
	check_image(pc, h);
	check_tables(h);
	check_block(h);
	check_lines(h);
	accept_changes(h->image);
	accept_changes(h->staging);
	accept_changes(moved);
	accept_changes(
		(struct range){ h->block->window.base, h->block->window.base + h->block->size });
	check_nothing_written(pc);
}
