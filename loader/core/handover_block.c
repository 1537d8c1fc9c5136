// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Layout and content of the hand-over block. The layout depends on upper bounds only, so that it
// stays valid when the memory map changes later.
#include "core/handover_block.h"

#include "core/fdt.h"
#include "core/panic.h"
#include "core/text.h"

// "hermit,rsdp@" or "hermit,efi_sev_snp_cc_blob@", and sixteen hexadecimal digits.
#define RSDP_NAME_MAX 28
#define CC_BLOB_NAME_MAX 43
// An address and a size of two cells each.
#define REG_SIZE 16

static enum platform_tag platform_tag(const struct handover_block_inputs *inputs)
{
	return (enum platform_tag)inputs->era->tags[inputs->boot->start_kind];
}

// The RAM that the kernel is to know of.
static const struct range_set *reported_ram(const struct boot *boot)
{
	return boot->ram.count != 0 ? &boot->ram : &boot->usable;
}

// Returns the largest range of RAM within `within`, or an empty range.
static struct range largest_ram(const struct boot *boot, struct range within)
{
	const struct range_set *ram = reported_ram(boot);
	struct range largest = { 0 };
	for (uint32_t i = 0; i < ram->count; i++) {
		struct range r = range_intersection(ram->ranges[i], within);
		if (r.start < r.end && range_size(r) > range_size(largest))
			largest = r;
	}
	return largest;
}

// UEFI splits RAM into many regions, whose ends add up to many times its size. Kernels that add
// them up get one region to use, the largest above the image's start.
static bool reports_one_usable_region(const struct handover_block_inputs *inputs)
{
	return inputs->era->sums_region_ends && inputs->boot->start_kind == START_UEFI;
}

struct range handover_preferred_ram(const struct handover_block_inputs *inputs)
{
	const uint64_t limit = arch_place_rules.reported_ram_limit;
	if (inputs->boot->devicetree == NULL && !reports_one_usable_region(inputs))
		return (struct range){ 0 };
	return largest_ram(inputs->boot, (struct range){ 0, limit != 0 ? limit : UINT64_MAX });
}

// More ranges than RANGE_SET_MAX are refused, so no set exceeds it.
static uint32_t ram_bound(const struct boot *boot)
{
	uint32_t count = reported_ram(boot)->count + boot->ram_slack;
	return count < RANGE_SET_MAX ? count : RANGE_SET_MAX;
}

static uint64_t generated_devicetree_bound(const struct boot *boot)
{
	// FDT_BASE_SIZE has room for the root's own properties.
	return FDT_BASE_SIZE + FDT_RESERVE_SIZE * (1 + boot->reserved.count) +
	       FDT_MEMORY_SIZE * ram_bound(boot) + FDT_NODE_SIZE(RSDP_NAME_MAX) +
	       FDT_NODE_SIZE(CC_BLOB_NAME_MAX) + 2 * FDT_PROP_SIZE(REG_SIZE) +
	       FDT_NODE_SIZE(sizeof "chosen" - 1) + FDT_PROP_SIZE(boot->cmdline.n + 1);
}

static uint64_t devicetree_bound(const struct boot *boot)
{
	if (boot->devicetree == NULL)
		return generated_devicetree_bound(boot);
	return devicetree_fixup_bound(boot->devicetree, ram_bound(boot), boot->reserved.count,
				      boot->cmdline.n);
}

// Returns the offset of the next part and advances `*at` past it.
static uint64_t allocate(uint64_t *at, uint64_t size, uint64_t align)
{
	uint64_t start = align_up(*at, align);
	*at = start + size;
	return start;
}

// Returns true if the payload can be written for both places (era/e3.c). Kernels may then read
// ALIAS_MULTIBOOT as the size of the command line, so the line must be shorter.
static bool serves_two_payloads(const struct handover_block_inputs *inputs)
{
	return inputs->era->two_payloads && inputs->boot->devicetree == NULL &&
	       inputs->boot->cmdline.n < ALIAS_MULTIBOOT;
}

static void layout_with_tables(const struct handover_block_inputs *inputs, uint64_t tables_size,
			       struct handover_block *out)
{
	const struct boot *boot = inputs->boot;
	const struct era *era = inputs->era;
	uint64_t at = 0;
	out->tables_size = tables_size;
	out->fdt_capacity = devicetree_bound(boot);
	out->trampoline_capacity = arch_trampoline_capacity();
	out->stack = allocate(&at, STACK_SIZE, PAGE_SIZE);
	out->tables = allocate(&at, out->tables_size, PAGE_SIZE);
	out->info = allocate(&at, era->info_size, 16);
	// The part after boot info begins a page for one of two reasons. info_own_page: boot info
	// must not share its page with it. two_payloads: Multiboot information and command line are
	// mapped a second time. With a device tree the Multiboot part is empty, and the command
	// line begins that page.
	const bool new_page = era->info_own_page || era->two_payloads;
	// + 1: write_multiboot_info() writes two ranges even if RAM is one.
	out->multiboot = allocate(
		&at, boot->devicetree == NULL ? multiboot_info_size(ram_bound(boot) + 1) : 0,
		new_page ? PAGE_SIZE : 8);
	// An upper bound: neither cmdline_strip() nor edit_cmdline() lengthens the line.
	out->cmdline = allocate(&at, boot->cmdline.n + 1, 1);
	// Multiboot information and command line are as far apart as their aliases. Host tests show
	// that the largest Multiboot information fits in between.
	if (serves_two_payloads(inputs)) {
		out->cmdline = out->multiboot + ALIAS_CMDLINE - ALIAS_MULTIBOOT;
		at = out->multiboot + ALIAS_END - ALIAS_MULTIBOOT;
	}
	out->rsdp = allocate(&at, boot->rsdp.n, 8);
	out->cc_blob = allocate(&at, boot->cc_blob.n, 8);
	out->boot_params = allocate(&at, boot->boot_params.n, 8);
	out->fdt = allocate(&at, out->fdt_capacity, 8);
	out->trampoline = allocate(&at, out->trampoline_capacity, 16);
	out->size = align_up(at, PAGE_SIZE);
}

void handover_block_layout(const struct handover_block_inputs *inputs, struct handover_block *out)
{
	// Once without tables, for the size of the other parts, which the tables map as well.
	layout_with_tables(inputs, 0, out);
	layout_with_tables(inputs, arch_tables_size(inputs->image, out->size), out);
}

static void write_multiboot_info(const struct handover_block_inputs *inputs,
				 const struct handover_block *block)
{
	const struct range_set *ram = reported_ram(inputs->boot);
	const struct range *map = ram->ranges;
	uint32_t count = ram->count;
	struct range below_and_above[2];
	if (reports_one_usable_region(inputs)) {
		// Kernels map the first page of the first region, and panic if it is mapped
		// already, as pages of the image are. So a region that they do not use comes first:
		// all that is below the image, from page 0 on.
		const uint64_t start = align_down(inputs->image.start, IMAGE_ALIGN);
		below_and_above[0] = (struct range){ 0, start };
		below_and_above[1] = largest_ram(inputs->boot, (struct range){ start, UINT64_MAX });
		map = below_and_above;
		count = countof(below_and_above);
	}
	multiboot_info_write(block->window.p + block->multiboot,
			     block->window.base + block->multiboot,
			     block->window.base + block->cmdline, map, count);
}

// A node with the address of a table of the firmware. Kernels do not read the size in `reg`.
static void write_address_node(struct fdt_writer *w, const char *what, uint64_t at)
{
	const uint64_t any_size = 1;
	char name[CC_BLOB_NAME_MAX];
	fdt_begin_node(w, name, fmt(name, sizeof name, "hermit,%s@%lx", what, at));
	fdt_property_reg(w, FDT_REG, at, 2, any_size, 2);
	fdt_end_node(w);
}

// Creates the device tree of x86_64, where no firmware passes one. Memory nodes ascend: kernels
// since 0.11 map RAM in the order of the nodes, and take the frames of new page tables from what
// they map first. For the first node they have only the page directory of the image's GiB, so that
// node must be low RAM.
static uint64_t generate_devicetree(const struct boot *boot, const struct handover_block *block,
				    const char *cmdline)
{
	const struct range_set *ram = reported_ram(boot);
	struct fdt_writer w;
	fdt_create(&w, block->window.p + block->fdt, block->fdt_capacity, (struct span){ 0 });
	fdt_add_reservemap_entry(&w, block->window.base, block->size);
	for (uint32_t i = 0; i < boot->reserved.count; i++)
		fdt_add_reservemap_entry(&w, boot->reserved.ranges[i].start,
					 range_size(boot->reserved.ranges[i]));
	fdt_begin_node(&w, "", 0);
	fdt_property_string(&w, FDT_COMPATIBLE, boot->compatible, text_length(boot->compatible));
	fdt_property_u32(&w, FDT_ADDRESS_CELLS, 2);
	fdt_property_u32(&w, FDT_SIZE_CELLS, 2);
	for (uint32_t i = 0; i < ram->count; i++)
		fdt_memory_node(&w, ram->ranges[i], 2, 2);
	if (boot->rsdp.n != 0)
		write_address_node(&w, "rsdp", block->window.base + block->rsdp);
	if (boot->cc_blob.n != 0)
		write_address_node(&w, "efi_sev_snp_cc_blob", block->window.base + block->cc_blob);
	fdt_begin_node(&w, "chosen", sizeof "chosen" - 1);
	if (block->cmdline_size != 0)
		fdt_property_string(&w, FDT_BOOTARGS, cmdline, block->cmdline_size);
	fdt_end_node(&w);
	fdt_end_node(&w);
	return fdt_finish(&w);
}

static uint64_t write_devicetree(const struct boot *boot, const struct handover_block *block,
				 const char *cmdline)
{
	if (boot->devicetree == NULL)
		return generate_devicetree(boot, block, cmdline);
	const struct devicetree_fixups fixups = {
		.ram = reported_ram(boot),
		.reserved = &boot->reserved,
		.block = { block->window.base, block->window.base + block->size },
		.bootargs = cmdline,
		.bootargs_size = block->cmdline_size,
	};
	return devicetree_fixup(boot->devicetree, &fixups, block->window.p + block->fdt,
				block->fdt_capacity);
}

// Returns FACT_RAM_START and FACT_RAM_END. On x86_64 the end may be 0.
static struct range kernel_ram(const struct handover_block_inputs *inputs)
{
	const struct range_set *ram = reported_ram(inputs->boot);
	struct range around = { align_down(inputs->image.start, IMAGE_ALIGN), 0 };
	// x86_64: kernels have a memory map as well. They count everything from this start to the
	// image's end as used, so a start of 0 would cost them all that is below the image.
	if (inputs->boot->devicetree == NULL) {
		if (platform_tag(inputs) == PLATFORM_TAG_LINUX_PARAMS)
			around.end = ram->ranges[ram->count - 1].end;
		return around;
	}
	// Other CPUs: kernels up to 0.11 use this range as their only RAM.
	for (uint32_t i = 0; i < ram->count; i++)
		if (range_inside(inputs->image, ram->ranges[i]))
			around = ram->ranges[i];
	uint64_t limit = arch_place_rules.reported_ram_limit;
	if (limit != 0 && around.end > limit && inputs->image.end <= limit)
		around.end = limit;
	return around;
}

// Chooses values that are right for both places of the payload (era/e3.c). Blanks extend the
// command line to the sizes that kernels read. They overwrite its NUL, which those kernels do not
// need: they read the line by address and size.
static void write_for_two_payloads(struct handover_block *block, uint64_t facts[FACTS])
{
	memset(block->window.p + block->cmdline + block->cmdline_size, ' ',
	       ALIAS_END - ALIAS_CMDLINE - block->cmdline_size);
	facts[FACT_PAYLOAD_CMDLINE] = facts[FACT_PAYLOAD_SIZE] = ALIAS_CMDLINE;
	facts[FACT_PAYLOAD_INFO] = ALIAS_MULTIBOOT;
}

static void write_boot_info(const struct handover_block_inputs *inputs,
			    struct handover_block *block)
{
	const struct boot *boot = inputs->boot;
	const struct elf_tls *tls = &inputs->elf->tls;
	const struct range ram = kernel_ram(inputs);
	const enum platform_tag tag = platform_tag(inputs);
	// The addresses that the kernel reads are physical; the loader may see the block elsewhere.
	const uint64_t base = block->window.base;
	uint64_t facts[FACTS] = {
		[FACT_IMAGE_START] = inputs->image.start,
		[FACT_IMAGE_END] = inputs->image.end,
		[FACT_IMAGE_SIZE] = range_size(inputs->image),
		[FACT_RAM_START] = ram.start,
		[FACT_RAM_END] = ram.end,
		[FACT_SERIAL] = boot->serial,
		[FACT_FDT] = base + block->fdt,
		[FACT_STACK] = base + block->stack,
		// In the image's header the stack follows boot info.
		[FACT_HEADER_STACK] = inputs->image.start + inputs->era->info_size,
		[FACT_CMDLINE] = base + block->cmdline,
		[FACT_CMDLINE_SIZE] = block->cmdline_size,
		[FACT_PLATFORM_TAG] = tag,
		[FACT_ONE] = 1,
		[FACT_MAGIC] = 0xc0decafe,
		[FACT_NO_PROCESSOR] = 0xffffffff,
		[FACT_NO_ADDRESS] = 0xffffffff,
		// 255.255.255.0, the first byte first.
		[FACT_NETMASK] = 0x00ffffff,
	};
	// Kernels take all zero as "no TLS".
	if (tls->memsz != 0) {
		facts[FACT_TLS_START] = tls->vaddr + (inputs->image.start - inputs->elf->vaddr);
		facts[FACT_TLS_FILESZ] = tls->filesz;
		facts[FACT_TLS_MEMSZ] = tls->memsz;
		facts[FACT_TLS_ALIGN] = tls->align;
	}
	if (boot->devicetree == NULL)
		facts[FACT_MULTIBOOT] = base + block->multiboot;
	// PLATFORM_TAG_LINUX_BOOT (with a firmware's device tree) and _FDT have no payload.
	if (boot->devicetree == NULL && tag != PLATFORM_TAG_FDT) {
		facts[FACT_PAYLOAD_CMDLINE] = base + block->cmdline;
		facts[FACT_PAYLOAD_SIZE] = block->cmdline_size;
		facts[FACT_PAYLOAD_INFO] = tag == PLATFORM_TAG_LINUX_PARAMS
						   ? base + block->boot_params
						   : facts[FACT_MULTIBOOT];
	}
	// The aliases are virtual addresses below 2 MiB, and the block's page table maps them. So
	// the block must be below 2 MiB, too. Otherwise boot info has the ordinary words, which are
	// right only for kernels with the payload at 88.
	block->alias = serves_two_payloads(inputs) && base + block->size <= MIB(2);
	if (block->alias)
		write_for_two_payloads(block, facts);
	boot_info_write(block->window.p + block->info, inputs->era, elf_order(boot->elf_target),
			facts);
}

void handover_block_write(const struct handover_block_inputs *inputs, struct handover_block *block)
{
	const struct boot *boot = inputs->boot;
	uint8_t *p = block->window.p;
	char *cmdline = (char *)(p + block->cmdline);

	block->cmdline_size = cmdline_strip(boot->cmdline, cmdline);
	if (boot->edit_cmdline != NULL)
		block->cmdline_size = boot->edit_cmdline(p + block->cmdline, block->cmdline_size);
	cmdline[block->cmdline_size] = '\0';
	if (boot->devicetree == NULL)
		write_multiboot_info(inputs, block);
	if (boot->rsdp.n != 0)
		memcpy(p + block->rsdp, boot->rsdp.p, boot->rsdp.n);
	if (boot->cc_blob.n != 0)
		memcpy(p + block->cc_blob, boot->cc_blob.p, boot->cc_blob.n);
	if (boot->boot_params.n != 0)
		memcpy(p + block->boot_params, boot->boot_params.p, boot->boot_params.n);
	block->fdt_size = write_devicetree(boot, block, cmdline);
	// 0: the tree did not fit into fdt_capacity, which is an upper bound.
	ASSERT(block->fdt_size != 0);
	write_boot_info(inputs, block);
}
