// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A device tree in and out: read, and copied for the kernel. The fixtures' own reader must find in
// the copy what was in the firmware's tree, and the loader the same devices.
#include "core/devicetree.h"
#include "fdt.h"
#include "test/fuzz/fuzz.h"

enum { PROPERTIES = 2048, AT = 0x40000000 };

struct list {
	size_t count;
	struct fdt_property p[PROPERTIES];
};

// Properties that the loader changes, and nodes that it replaces.
static bool is_kept(const struct fdt_property *p)
{
	return strcmp(p->name, "bootargs") != 0 && strcmp(p->name, "linux,initrd-start") != 0 &&
	       strcmp(p->name, "linux,initrd-end") != 0 && strcmp(p->name, "status") != 0;
}

static bool collect(void *context, const struct fdt_property *p)
{
	struct list *list = context;
	if (list->count == PROPERTIES)
		return false;
	if (is_kept(p))
		list->p[list->count++] = *p;
	return true;
}

// A node that is replaced may have no property, so its FDT_BEGIN_NODE is searched.
static bool replaces_nodes(const uint8_t *tree)
{
	const uint8_t *structure = tree + fdt_u32(tree + 8);
	const size_t n = fdt_u32(tree + 36);
	return memmem(structure, n, "\0\0\0\1memory", 10) != NULL ||
	       memmem(structure, n, "\0\0\0\1module", 10) != NULL;
}

// Each property of the source in its order; the copy has no more than the loader's memory nodes.
// Returns false if the source has nodes that are replaced: then the two differ.
static bool check_properties(const uint8_t *source, const uint8_t *copy)
{
	static struct list from, to;
	from.count = to.count = 0;
	FUZZ_CHECK(fdt_walk(copy, collect, &to) == NULL);
	if (fdt_walk(source, collect, &from) != NULL || replaces_nodes(source) ||
	    from.count == PROPERTIES)
		return false;
	FUZZ_CHECK(to.count >= from.count);
	for (size_t i = 0; i < from.count; i++) {
		const struct fdt_property *a = &from.p[i], *b = &to.p[i];
		FUZZ_CHECK(strcmp(a->node, b->node) == 0 && strcmp(a->name, b->name) == 0);
		FUZZ_CHECK(a->length == b->length && memcmp(a->value, b->value, a->length) == 0);
	}
	for (size_t i = from.count; i < to.count; i++)
		FUZZ_CHECK(strncmp(to.p[i].node, "memory@", 7) == 0);
	return true;
}

struct bootargs {
	const char *root;
	unsigned count;
	const struct devicetree_fixups *fixups;
};

// The root's name, which follows its FDT_BEGIN_NODE; FDT_NOP may come before that.
static const char *root_of(const uint8_t *tree)
{
	const uint8_t *p = tree + fdt_u32(tree + 8);
	while (fdt_u32(p) == 4)
		p += 4;
	return (const char *)p + 4;
}

// The command line is in the first /chosen, whatever the firmware's tree has, and once.
static bool count_bootargs(void *context, const struct fdt_property *p)
{
	struct bootargs *found = context;
	if (p->parent != found->root || strcmp(p->name, "bootargs") != 0 ||
	    !(strcmp(p->node, "chosen") == 0 || strncmp(p->node, "chosen@", 7) == 0))
		return true;
	FUZZ_CHECK(p->length == found->fixups->bootargs_size + 1);
	FUZZ_CHECK(memcmp(p->value, found->fixups->bootargs, p->length) == 0);
	found->count++;
	return true;
}

static void check_reservations(const struct devicetree_fixups *fixups, const uint8_t *copy)
{
	struct fdt_reserve r;
	FUZZ_CHECK(fdt_reserved(copy, 0, &r) && r.start == fixups->block.start &&
		   r.size == range_size(fixups->block));
	for (uint32_t i = 0; i < fixups->reserved->count; i++)
		FUZZ_CHECK(fdt_reserved(copy, i + 1, &r) &&
			   r.start == fixups->reserved->ranges[i].start &&
			   r.size == range_size(fixups->reserved->ranges[i]));
	FUZZ_CHECK(!fdt_reserved(copy, fixups->reserved->count + 1, &r));
}

// The copy, read by the loader: the same devices, unless they were in a node that is replaced.
static void check_again(const struct devicetree *a, const uint8_t *copy, size_t n, bool same)
{
	static struct devicetree b;
	FUZZ_CHECK(devicetree_read(copy, AT, n, &b) == STATUS_OK);
	// Only nodes named `module` are dropped; one of another name stays.
	FUZZ_CHECK(b.fdt.size == n && !(same && b.has_module && !a->has_module));
	if (!same)
		return;
	FUZZ_CHECK(a->uart == b.uart && a->uart_at == b.uart_at);
	FUZZ_CHECK(a->psci == b.psci && a->psci_smc == b.psci_smc && a->finisher == b.finisher);
	FUZZ_CHECK(a->cpus == b.cpus && a->harts == b.harts);
	FUZZ_CHECK(a->address_cells == b.address_cells && a->size_cells == b.size_cells);
}

static void check_copy(const struct devicetree *tree, const uint8_t *source)
{
	static const char line[] = "-- a b";
	const struct devicetree_fixups fixups = { .ram = &tree->ram,
						  .reserved = &tree->reserved,
						  .block = { 0x1000, 0x9000 },
						  .bootargs = line,
						  .bootargs_size = tree->cpus % 2 == 0
									   ? sizeof line - 1
									   : 0 };
	const size_t bound = devicetree_fixup_bound(tree, tree->ram.count, tree->reserved.count,
						    fixups.bootargs_size);
	uint8_t *out = malloc(bound), *copy;
	const size_t n = devicetree_fixup(tree, &fixups, out, bound);
	FUZZ_CHECK(n != 0 && n <= bound);
	copy = malloc(n);
	memcpy(copy, out, n);
	FUZZ_CHECK(fdt_total_size(copy) == n);
	const bool same = check_properties(source, copy);
	struct bootargs found = { .root = root_of(copy), .fixups = &fixups };
	FUZZ_CHECK(fdt_walk(copy, count_bootargs, &found) == NULL);
	FUZZ_CHECK(found.count == (fixups.bootargs_size != 0 ? 1 : 0));
	check_reservations(&fixups, copy);
	check_again(tree, copy, n, same);
	// One byte less does not fit, and is never written past the end.
	uint8_t *small = malloc(n - 1);
	FUZZ_CHECK(devicetree_fixup(tree, &fixups, small, n - 1) == 0);
	free(small);
	free(copy);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct devicetree tree;
	static struct range_set usable;
	console_open();
	// The firmware's tree is aligned to 8, and the input may be not.
	uint8_t *source = malloc(n);
	if (n != 0)
		memcpy(source, data, n);
	if (devicetree_read(source, AT, n, &tree) == STATUS_OK) {
		(void)!devicetree_usable_ram(&tree, &usable);
		check_copy(&tree, source);
	}
	free(source);
	return 0;
}
