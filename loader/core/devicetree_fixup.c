// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Writes the kernel's copy of the firmware's device tree in one pass over its tokens.
#include "core/devicetree.h"
#include "core/text.h"

static const char okay[] = "okay";

struct copier {
	const struct devicetree *tree;
	const struct devicetree_fixups *fixups;
	struct fdt_writer w;
	// The bytes of the current token.
	struct span bytes;
	// 1 at the root's own properties, 2 at those of its children, and so on.
	unsigned open_nodes;
	// The current node is /chosen or /cpus, or below it.
	bool in_chosen;
	bool in_cpus;
	bool chosen_seen;
	// The current node is a cpu node without a `status` so far.
	bool status_missing;
};

size_t devicetree_fixup_bound(const struct devicetree *tree, size_t ram_count,
			      size_t reserved_count, size_t bootargs_size)
{
	return FDT_BASE_SIZE + tree->fdt.structure.n + tree->fdt.strings.n +
	       FDT_RESERVE_SIZE * (reserved_count + 1) + FDT_MEMORY_SIZE * ram_count +
	       FDT_NODE_SIZE(sizeof "chosen" - 1) + FDT_PROP_SIZE(bootargs_size + 1) +
	       FDT_PROP_SIZE(sizeof okay) * tree->cpus;
}

static void write_bootargs(struct copier *c)
{
	if (c->fixups->bootargs_size != 0)
		fdt_property_string(&c->w, FDT_BOOTARGS, c->fixups->bootargs,
				    c->fixups->bootargs_size);
}

// range_set_add() merges memory nodes that touch, so the size of a range may need two cells
// although that of each node needed one. What exceeds the root's cells is left out, in units of
// large pages.
static void write_memory(struct copier *c, struct range r)
{
	if (c->tree->size_cells == 1 && range_size(r) >> 32 != 0)
		r.end = r.start + GIB(4) - MIB(2);
	if (c->tree->address_cells == 2 || r.start >> 32 == 0)
		fdt_memory_node(&c->w, r, c->tree->address_cells, c->tree->size_cells);
}

// Adds the loader's children of the root. They come last, since properties must precede children.
static void finish_root(struct copier *c)
{
	if (!c->chosen_seen) {
		fdt_begin_node(&c->w, "chosen", sizeof "chosen" - 1);
		write_bootargs(c);
		fdt_end_node(&c->w);
	}
	for (uint32_t i = 0; i < c->fixups->ram->count; i++)
		write_memory(c, c->fixups->ram->ranges[i]);
}

// Adds the missing property after the last one of the node. Kernels read `status` of each cpu node
// without checking that it exists.
static void finish_properties(struct copier *c)
{
	if (c->status_missing)
		fdt_property_string(&c->w, FDT_STATUS, okay, sizeof okay - 1);
	c->status_missing = false;
}

// Skips the node whose FDT_BEGIN_NODE has been read.
static void skip_node(const struct fdt *fdt, size_t *at)
{
	for (unsigned open_nodes = 1; open_nodes != 0;) {
		struct fdt_token token = fdt_next_token(fdt, at);
		if (token.kind == FDT_BEGIN_NODE)
			open_nodes++;
		else if (token.kind != FDT_PROP)
			open_nodes--;
	}
}

// Memory nodes are dropped because finish_root() writes new ones. Kernels find them by name, so a
// node of another name whose device_type is "memory" may stay. Modules are dropped because their
// memory belongs to the kernel now.
static bool is_dropped_node(const struct copier *c, const struct fdt_token *token)
{
	return (c->open_nodes == 1 && fdt_node_name_is(token, "memory")) ||
	       (c->open_nodes == 2 && c->in_chosen && fdt_node_name_is(token, "module"));
}

static void copy_node(struct copier *c, const struct fdt_token *token)
{
	fdt_copy_token(&c->w, c->bytes);
	c->open_nodes++;
	if (c->open_nodes == 2) {
		c->in_chosen = fdt_node_name_is(token, "chosen");
		c->in_cpus = fdt_node_name_is(token, "cpus");
		// Only in the first one: devicetree_fixup_bound() has room for one.
		if (c->in_chosen && !c->chosen_seen)
			write_bootargs(c);
		c->chosen_seen |= c->in_chosen;
	}
	c->status_missing = c->open_nodes == 3 && c->in_cpus && fdt_node_name_is(token, "cpu");
}

static void copy_property(struct copier *c, const struct fdt_token *token)
{
	if (c->open_nodes == 2 && c->in_chosen &&
	    (text_equal(token->name, "linux,initrd-start") ||
	     text_equal(token->name, "linux,initrd-end") || text_equal(token->name, "bootargs")))
		return;
	if (c->status_missing && text_equal(token->name, "status"))
		c->status_missing = false;
	fdt_copy_token(&c->w, c->bytes);
}

static void end_node(struct copier *c)
{
	finish_properties(c);
	if (c->open_nodes == 1)
		finish_root(c);
	fdt_end_node(&c->w);
	c->open_nodes--;
	if (c->open_nodes == 1)
		c->in_chosen = c->in_cpus = false;
}

size_t devicetree_fixup(const struct devicetree *tree, const struct devicetree_fixups *fixups,
			uint8_t *out, size_t size)
{
	struct copier c = { .tree = tree, .fixups = fixups };
	fdt_create(&c.w, out, size, tree->fdt.strings);
	fdt_add_reservemap_entry(&c.w, fixups->block.start, range_size(fixups->block));
	for (uint32_t i = 0; i < fixups->reserved->count; i++)
		fdt_add_reservemap_entry(&c.w, fixups->reserved->ranges[i].start,
					 range_size(fixups->reserved->ranges[i]));
	for (size_t at = 0;;) {
		const uint8_t *start = tree->fdt.structure.p + at;
		struct fdt_token token = fdt_next_token(&tree->fdt, &at);
		c.bytes = (struct span){ start, (size_t)(tree->fdt.structure.p + at - start) };
		if (token.kind == FDT_END)
			return fdt_finish(&c.w);
		if (token.kind == FDT_PROP) {
			copy_property(&c, &token);
			continue;
		}
		if (token.kind == FDT_END_NODE) {
			end_node(&c);
			continue;
		}
		finish_properties(&c);
		if (is_dropped_node(&c, &token))
			skip_node(&tree->fdt, &at);
		else
			copy_node(&c, &token);
	}
}
