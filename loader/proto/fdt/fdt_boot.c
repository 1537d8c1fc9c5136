// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Memory, command line and application from a device tree. Untrusted: every range is checked
// against RAM, the loader and the device tree itself before it is used.
#include "proto/fdt/fdt_boot.h"

#include "core/gzip.h"

// Bytes of a file of another format: enough for the refusal to describe it.
#define FIRST_BYTES 64

// The RAM from `at` to the end of its range; empty if `at` is not in RAM.
static struct range ram_from(const struct devicetree *tree, uint64_t at)
{
	for (uint32_t i = 0; i < tree->ram.count; i++) {
		struct range ram = tree->ram.ranges[i];
		if (at >= ram.start && at < ram.end)
			return (struct range){ at, ram.end };
	}
	return (struct range){ at, at };
}

// A device tree that was edited by hand, for example in U-Boot, may have only the start of the
// application: its end is computed from its ELF headers or compressed data. QEMU's guest-loader
// passes the size, too.
static enum status find_end(const struct devicetree *tree, void *(*map)(struct range),
			    const struct boot *boot, struct range *module)
{
	struct range seen = ram_from(tree, module->start);
	if (seen.end > boot->mappable.end)
		seen.end = boot->mappable.end;
	const uint8_t *p = seen.start < seen.end ? map(seen) : NULL;
	if (p == NULL)
		return refuse(STATUS_FDT_CONTENT,
			      "the application at %#lx is not in RAM of the device tree",
			      module->start);
	const struct span file = { p, range_size(seen) };
	uint64_t size = elf_guess_size(p, range_size(seen), boot->elf_target);
	if (gzip_recognise(file)) {
		struct gzip gzip;
		TRY(gzip_measure(file, &gzip));
		size = gzip.member_size;
	}
	if (size == 0)
		size = FIRST_BYTES;
	module->end = module->start + (size < range_size(seen) ? size : range_size(seen));
	return STATUS_OK;
}

static enum status find_app(const struct devicetree *tree, void *(*map)(struct range),
			    struct boot *boot)
{
	if (!tree->has_module && use_embedded_app(boot))
		return STATUS_OK;
	if (!tree->has_module)
		return refuse(STATUS_NO_MODULE,
			      "the device tree names no application: with QEMU add -initrd APP, or "
			      "if -kernel is an ELF file for aarch64 "
			      "-device guest-loader,addr=%#lx,initrd=APP",
			      // 0x48000000 on QEMU's virt, the address that upstream documents
			      (tree->ram.count == 0 ? 0 : tree->ram.ranges[0].start) + MIB(128));
	struct range module = tree->module;
	if (module.start == module.end)
		TRY(find_end(tree, map, boot, &module));
	const bool reachable = module.start < module.end &&
			       range_inside(module, ram_from(tree, module.start)) &&
			       range_inside(module, boot->mappable);
	const void *p = reachable ? map(module) : NULL;
	if (p == NULL)
		return refuse(STATUS_FDT_CONTENT,
			      "the application %#lx..%#lx is not in RAM of the device tree",
			      module.start, module.end);
	if (range_overlaps(module, boot->loader))
		return refuse(STATUS_FDT_CONTENT,
			      "the application %#lx..%#lx overlaps the loader %#lx..%#lx",
			      module.start, module.end, boot->loader.start, boot->loader.end);
	if (range_overlaps(module, tree->at))
		return refuse(STATUS_FDT_CONTENT,
			      "the firmware put the device tree %#lx..%#lx into the application "
			      "%#lx..%#lx: change -m to move it",
			      tree->at.start, tree->at.end, module.start, module.end);
	boot->app = (struct span){ p, range_size(module) };
	boot->app_at = module.start;
	boot->module_count = 1;
	return STATUS_OK;
}

// The device tree itself is kept: the application gets a modified copy of it.
enum status fdt_boot_read(const struct devicetree *tree, void *(*map)(struct range),
			  struct boot *boot)
{
	boot->start_info_name = "device tree";
	boot->start_info_at = tree->at.start;
	boot->devicetree = tree;
	boot->ram = tree->ram;
	boot->reserved = tree->reserved;
	boot->cmdline = tree->bootargs;
	boot->start_info[boot->start_info_count++] = tree->at;
	TRY(devicetree_usable_ram(tree, &boot->usable));
	return find_app(tree, map, boot);
}
