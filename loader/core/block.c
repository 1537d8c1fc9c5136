// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "block.h"

#include "fdt.h"
#include "fmt.h"

#define COM1 0x3f8

static const char compatible[] = "hermit,multiboot";
static const char memory_type[] = "memory";

// "memory@" and sixteen hexadecimal digits
#define MEMORY_NAME_MAX 23

static uint64_t fdt_bound(const struct block_content *content)
{
	const struct boot *boot = content->boot;
	uint64_t per_range = FDT_NODE_SIZE(MEMORY_NAME_MAX) + FDT_PROP_SIZE(sizeof memory_type) + FDT_PROP_SIZE(16);
	return FDT_BASE_SIZE + FDT_RESERVE_SIZE + per_range * boot->usable.count + FDT_NODE_SIZE(6) + FDT_PROP_SIZE(boot->cmdline.n + 1);
}

static uint64_t append(uint64_t *at, uint64_t size, uint64_t align)
{
	uint64_t start = align_up(*at, align);
	*at = start + size;
	return start;
}

void block_layout(const struct block_content *content, struct block *out)
{
	const struct boot *boot = content->boot;
	uint64_t at = 0;
	out->stack_size = content->era->stack_size;
	out->tables_size = arch_tables_size(content->image);
	out->fdt_size = fdt_bound(content);
	out->code_size = arch_code_size();
	out->stack = append(&at, out->stack_size, PAGE_SIZE);
	out->tables = append(&at, out->tables_size, PAGE_SIZE);
	out->info = append(&at, content->era->info_size, 16);
	out->cmdline = append(&at, boot->cmdline.n + 1, content->era->info_alone ? PAGE_SIZE : 1);
	out->multiboot = append(&at, multiboot_info_size(boot->usable.count), 8);
	out->fdt = append(&at, out->fdt_size, 8);
	out->code = append(&at, out->code_size, 16);
	out->size = align_up(at, PAGE_SIZE);
}

static void write_memory_node(struct fdt_writer *w, struct range r)
{
	char name[MEMORY_NAME_MAX];
	fdt_begin(w, name, fmt(name, sizeof name, "memory@%lx", r.start));
	fdt_prop_string(w, FDT_DEVICE_TYPE, memory_type, sizeof memory_type - 1);
	fdt_prop_range(w, FDT_REG, r.start, range_size(r));
	fdt_end(w);
}

// Memory nodes ascend: kernels from 0.11 on take page-table frames from the first region they meet.
static uint64_t write_fdt(const struct boot *boot, const struct block *block, const char *cmdline)
{
	struct fdt_writer w;
	fdt_open(&w, block->at.p + block->fdt, block->fdt_size);
	fdt_reserve(&w, block->at.base, block->size);
	fdt_begin(&w, "", 0);
	fdt_prop_string(&w, FDT_COMPATIBLE, compatible, sizeof compatible - 1);
	fdt_prop_u32(&w, FDT_ADDRESS_CELLS, 2);
	fdt_prop_u32(&w, FDT_SIZE_CELLS, 2);
	for (uint32_t i = 0; i < boot->usable.count; i++)
		write_memory_node(&w, boot->usable.at[i]);
	fdt_begin(&w, "chosen", 6);
	if (block->cmdline_size != 0)
		fdt_prop_string(&w, FDT_BOOTARGS, cmdline, block->cmdline_size);
	fdt_end(&w);
	fdt_end(&w);
	return fdt_close(&w);
}

static struct elf_tls tls_at_run_time(const struct elf_image *elf, struct range image)
{
	struct elf_tls tls = elf->tls;
	if (tls.memsz == 0)
		return (struct elf_tls){ 0 }; // all zero is "none" to the kernel
	tls.vaddr += image.start - elf->vaddr;
	return tls;
}

void block_write(const struct block_content *content, struct block *block)
{
	const struct boot *boot = content->boot;
	uint8_t *p = block->at.p;
	uint64_t base = block->at.base;
	char *cmdline = (char *)(p + block->cmdline);

	block->cmdline_size = cmdline_strip(boot->cmdline, cmdline);
	cmdline[block->cmdline_size] = '\0';
	multiboot_info_write(p + block->multiboot, base + block->multiboot, base + block->cmdline, &boot->usable);
	block->fdt_size = write_fdt(boot, block, cmdline);
	ASSERT(block->fdt_size != 0);

	const struct facts facts = {
		.image = content->image,
		.tls = tls_at_run_time(content->elf, content->image),
		.cmdline = base + block->cmdline,
		.cmdline_size = block->cmdline_size,
		.multiboot = base + block->multiboot,
		.fdt = base + block->fdt,
		.stack = base + block->stack,
		.serial_port = COM1,
	};
	content->era->write_info(p + block->info, &facts);
}
