// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Reads the firmware's device tree. Section numbers are those of the Devicetree Specification 0.4.
// `ranges` (2.3.8) is ignored: no bus of a supported machine translates the addresses of a device
// that the loader uses.
#include "core/devicetree.h"

#include "core/log.h"
#include "core/text.h"

enum {
	// The root has depth 0.
	OPEN_NODES_MAX = FDT_DEPTH_MAX + 1,
	NODE_PATH_MAX = 192
};

// An open node. It is evaluated when all its properties are known: at its first child or its end.
struct node {
	struct fdt_token token;
	struct span reg, compatible, device_type, status;
	struct span initrd_start, initrd_end, bootargs, stdout_path, method, mmu_type;
	// For the `reg` of its children.
	unsigned address_cells, size_cells;
	// Length of the node's full path in reader.path, and whether it did not fit.
	size_t path_size;
	bool path_lost;
	bool done;
};

struct reader {
	struct devicetree *tree;
	// 1 at the root's own properties, 2 at those of its children, and so on.
	unsigned open_nodes;
	struct node nodes[OPEN_NODES_MAX];
	// The path of the innermost node: path_size bytes.
	char path[NODE_PATH_MAX];
	// Without the options after ':'.
	struct span stdout_path;
	// linux,initrd-start and -end. Empty: none.
	struct range initrd;
	// Enabled UARTs that were seen.
	unsigned uarts;
	// The recorded UART is the one that stdout-path names.
	bool uart_named;
	// The second or third walk: it looks for the console only.
	bool devices_only;
};

static bool prop_is_string(struct span value, const char *wanted)
{
	return value.n != 0 && value.p[value.n - 1] == '\0' &&
	       span_is((struct span){ value.p, value.n - 1 }, wanted);
}

// Returns the next string of a <stringlist> (2.2.4) without its NUL. Returns false after the last
// one.
static bool next_string(struct span *list, struct span *out)
{
	if (list->n == 0)
		return false;
	*out = (struct span){ list->p, 0 };
	while (out->n < list->n && out->p[out->n] != '\0')
		out->n++;
	const size_t step = out->n < list->n ? out->n + 1 : out->n;
	*list = (struct span){ list->p + step, list->n - step };
	return true;
}

// 2.3.4: without `status` a node is enabled.
static bool is_enabled(const struct node *node)
{
	return node->status.n == 0 || prop_is_string(node->status, "okay") ||
	       prop_is_string(node->status, "ok");
}

// Reads a number of 0 to 2 cells at offset `at`. Returns false if the value is too short.
static must_check bool read_cells(struct span value, size_t at, unsigned count, uint64_t *out)
{
	struct span bytes;
	if (!span_sub(value, at, 4 * (size_t)count, &bytes) || count > 2)
		return false;
	*out = count == 0   ? 0
	       : count == 1 ? load_u32(bytes.p, ORDER_BIG)
			    : load_u64(bytes.p, ORDER_BIG);
	return true;
}

static const struct node *parent(const struct reader *r)
{
	return r->open_nodes >= 2 ? &r->nodes[r->open_nodes - 2] : NULL;
}

// Reads pair `index` of address and size of `reg` (2.3.6). They have as many cells as the parent
// says, so the node must not be the root. A range that exceeds 2^64 is cut.
static must_check bool read_reg(const struct reader *r, const struct node *node, size_t index,
				struct range *out)
{
	const struct node *up = parent(r);
	uint64_t size, start;
	size_t stride = 4 * ((size_t)up->address_cells + up->size_cells);
	if (up->address_cells == 0 || up->address_cells > 2 || up->size_cells > 2 ||
	    !read_cells(node->reg, index * stride, up->address_cells, &start) ||
	    !read_cells(node->reg, index * stride + 4 * (size_t)up->address_cells, up->size_cells,
			&size))
		return false;
	if (add_overflows(start, size, &out->end))
		out->end = UINT64_MAX;
	out->start = start;
	return true;
}

static enum status add_ranges(const struct reader *r, const struct node *node,
			      struct range_set *set)
{
	struct range range;
	for (size_t i = 0; read_reg(r, node, i, &range); i++)
		if (range_set_add(set, range) != STATUS_OK)
			return refuse(STATUS_MEMORY_MAP_TOO_LONG,
				      "the device tree has more than %u memory ranges",
				      RANGE_SET_MAX);
	return STATUS_OK;
}

// Reads a module node of QEMU's guest-loader: `reg` is two 64-bit numbers, whatever the cells of
// /chosen, which guest-loader does not set. Modules of Xen have the same `compatible`. A tree made
// for Xen may give /chosen cells of its own, and then `reg` of its modules has fewer bytes. Such a
// module is ignored: Xen passes no Hermit application.
static void parse_module(struct devicetree *tree, const struct node *node)
{
	uint64_t start, size;
	if (tree->has_module || !read_cells(node->reg, 0, 2, &start) ||
	    !read_cells(node->reg, 8, 2, &size))
		return;
	tree->has_module = !add_overflows(start, size, &tree->module.end);
	tree->module.start = start;
}

static void parse_bootargs(struct devicetree *tree, const struct node *node)
{
	// The first NUL ends the line, whatever follows.
	struct span value = node->bootargs;
	(void)next_string(&value, &tree->bootargs);
}

static void parse_stdout_path(struct reader *r, const struct node *node)
{
	struct span path = node->stdout_path;
	size_t n = 0;
	// 3.6: "path:options".
	while (n < path.n && path.p[n] != '\0' && path.p[n] != ':')
		n++;
	r->stdout_path = (struct span){ path.p, n };
}

// dt-schema, chosen.yaml: addresses of one or two cells.
static must_check bool read_address(struct span value, uint64_t *out)
{
	return (value.n == 4 || value.n == 8) && read_cells(value, 0, (unsigned)value.n / 4, out);
}

static enum status parse_initrd(struct reader *r, const struct node *node)
{
	struct range initrd;
	if (node->initrd_start.n == 0)
		return STATUS_OK;
	if (!read_address(node->initrd_start, &initrd.start) ||
	    !read_address(node->initrd_end, &initrd.end) || initrd.start > initrd.end)
		return refuse(STATUS_FDT_CONTENT,
			      "linux,initrd-start and linux,initrd-end (%lu and %lu bytes) are not "
			      "a range",
			      node->initrd_start.n, node->initrd_end.n);
	r->initrd = initrd;
	return STATUS_OK;
}

// 2.3.5: the numbers of cells in `reg` of each child. The kernel's tree gets memory nodes with as
// many.
static enum status parse_root(struct devicetree *tree, const struct node *node)
{
	tree->address_cells = node->address_cells;
	tree->size_cells = node->size_cells;
	if (node->address_cells - 1 < 2 && node->size_cells - 1 < 2)
		return STATUS_OK;
	return refuse(STATUS_FDT_CONTENT,
		      "the root of the device tree has %u address cells and %u size cells; this "
		      "loader reads 1 and 2",
		      node->address_cells, node->size_cells);
}

static enum status parse_chosen(struct reader *r, const struct node *node)
{
	parse_bootargs(r->tree, node);
	parse_stdout_path(r, node);
	return parse_initrd(r, node);
}

// Records the UART as the console if it is the first one or the one that stdout-path names.
static void record_uart(struct reader *r, const struct node *node, enum uart_kind kind)
{
	struct devicetree *tree = r->tree;
	struct range at;
	bool named = !node->path_lost && r->stdout_path.n != 0 &&
		     r->stdout_path.n == node->path_size &&
		     memcmp(r->stdout_path.p, r->path, node->path_size) == 0;
	if (!is_enabled(node) || !read_reg(r, node, 0, &at))
		return;
	r->uarts++;
	if (tree->uart != UART_NONE && (r->uart_named || !named))
		return;
	tree->uart = kind;
	tree->uart_at = at.start;
	r->uart_named = named;
}

enum device { DEVICE_UNKNOWN, DEVICE_UART, DEVICE_PSCI, DEVICE_FINISHER, DEVICE_MODULE };

// Returns true if `wanted` is one of the NUL-separated names.
static bool list_contains(const char *names, size_t size, struct span wanted)
{
	struct span list = { (const uint8_t *)names, size }, name;
	while (next_string(&list, &name))
		if (name.n == wanted.n && memcmp(name.p, wanted.p, name.n) == 0)
			return true;
	return false;
}

static enum uart_kind uart_by_compatible(struct span name)
{
#define UART_ROW(kind, driver, names)                 \
	if (list_contains(names, sizeof names, name)) \
		return UART_##kind;
	UART_LIST(UART_ROW)
#undef UART_ROW
	return UART_NONE;
}

// The device that the first known string of `compatible` names. Sets `uart` for DEVICE_UART.
static enum device device_by_compatible(struct span compatible, enum uart_kind *uart)
{
	static const struct {
		char name[17];
		uint8_t device;
	} known[] = {
		{ "arm,psci-0.2", DEVICE_PSCI },
		{ "arm,psci-1.0", DEVICE_PSCI },
		{ "sifive,test0", DEVICE_FINISHER },
		{ "multiboot,module", DEVICE_MODULE },
	};
	struct span name;
	while (next_string(&compatible, &name)) {
		*uart = uart_by_compatible(name);
		if (*uart != UART_NONE)
			return DEVICE_UART;
		for (size_t i = 0; i < countof(known); i++)
			if (span_is(name, known[i].name))
				return (enum device)known[i].device;
	}
	return DEVICE_UNKNOWN;
}

static void parse_device(struct reader *r, const struct node *node)
{
	struct devicetree *tree = r->tree;
	enum uart_kind uart;
	struct range at;
	switch (device_by_compatible(node->compatible, &uart)) {
	case DEVICE_UART:
		record_uart(r, node, uart);
		break;
	case DEVICE_PSCI:
		tree->psci = true;
		tree->psci_smc = prop_is_string(node->method, "smc");
		break;
	case DEVICE_FINISHER:
		if (read_reg(r, node, 0, &at))
			tree->finisher = at.start;
		break;
	case DEVICE_MODULE:
		if (r->open_nodes == 3 && fdt_node_name_is(&parent(r)->token, "chosen"))
			parse_module(tree, node);
		break;
	case DEVICE_UNKNOWN:
		break;
	}
}

// 3.8. The node is recognised by its name, as in devicetree_fixup.c and in kernels. `mmu-type`:
// Linux binding riscv/cpus.yaml: "riscv,sv39" and the like, or "riscv,none".
static void parse_cpu(const struct reader *r, const struct node *node)
{
	struct range at;
	r->tree->cpus++;
	const size_t prefix = sizeof "riscv," - 1;
	if (is_enabled(node) && node->mmu_type.n > prefix && node->mmu_type.p[prefix] == 's' &&
	    read_reg(r, node, 0, &at) && at.start < 64)
		r->tree->harts |= 1ULL << at.start;
}

// Evaluates the innermost node once all its properties are known.
static enum status parse_node(struct reader *r)
{
	struct node *node = &r->nodes[r->open_nodes - 1];
	struct devicetree *tree = r->tree;
	const struct node *up = parent(r);
	if (node->done)
		return STATUS_OK;
	node->done = true;
	// Devices other than UARTs are recorded again, with the same result.
	if (r->devices_only) {
		if (r->open_nodes >= 2)
			parse_device(r, node);
		return STATUS_OK;
	}
	if (r->open_nodes == 1)
		return parse_root(tree, node);
	if (r->open_nodes == 2 && (prop_is_string(node->device_type, "memory") ||
				   fdt_node_name_is(&node->token, "memory")))
		return is_enabled(node) ? add_ranges(r, node, &tree->ram) : STATUS_OK;
	if (r->open_nodes == 2 && fdt_node_name_is(&node->token, "chosen"))
		return parse_chosen(r, node);
	if (r->open_nodes == 3 && fdt_node_name_is(&up->token, "reserved-memory"))
		return is_enabled(node) ? add_ranges(r, node, &tree->reserved) : STATUS_OK;
	if (r->open_nodes == 3 && fdt_node_name_is(&up->token, "cpus") &&
	    fdt_node_name_is(&node->token, "cpu"))
		parse_cpu(r, node);
	else
		parse_device(r, node);
	return STATUS_OK;
}

static void open_node(struct reader *r, struct fdt_token token)
{
	struct node *node = &r->nodes[r->open_nodes++];
	// 2.3.5: the default number of cells.
	*node = (struct node){ .token = token, .address_cells = 2, .size_cells = 1 };
	if (r->open_nodes == 1)
		return;
	const struct node *up = parent(r);
	const size_t before = up->path_size;
	node->path_lost = up->path_lost || before + 1 + token.name_size > NODE_PATH_MAX;
	if (node->path_lost)
		return;
	r->path[before] = '/';
	memcpy(r->path + before + 1, token.name, token.name_size);
	node->path_size = before + 1 + token.name_size;
}

static void record_property(struct node *node, const struct fdt_token *token)
{
	static const struct {
		char name[20];
		uint8_t at;
	} known[] = {
		{ "reg", offsetof(struct node, reg) },
		{ "compatible", offsetof(struct node, compatible) },
		{ "device_type", offsetof(struct node, device_type) },
		{ "status", offsetof(struct node, status) },
		{ "linux,initrd-start", offsetof(struct node, initrd_start) },
		{ "linux,initrd-end", offsetof(struct node, initrd_end) },
		{ "bootargs", offsetof(struct node, bootargs) },
		{ "stdout-path", offsetof(struct node, stdout_path) },
		{ "method", offsetof(struct node, method) },
		{ "mmu-type", offsetof(struct node, mmu_type) },
	};
	uint64_t value;
	if (text_equal(token->name, "#address-cells") && read_cells(token->value, 0, 1, &value))
		node->address_cells = (unsigned)value;
	else if (text_equal(token->name, "#size-cells") && read_cells(token->value, 0, 1, &value))
		node->size_cells = (unsigned)value;
	for (size_t i = 0; i < countof(known); i++)
		if (text_equal(token->name, known[i].name)) {
			*(struct span *)(void *)((char *)node + known[i].at) = token->value;
			return;
		}
}

// stdout-path may be an alias (3.3, 3.6). Replaces it with the alias's path.
static void resolve_alias(struct reader *r, const struct fdt_token *token)
{
	struct span path = r->stdout_path, value = token->value;
	if (r->open_nodes == 2 && fdt_node_name_is(&r->nodes[1].token, "aliases") && path.n != 0 &&
	    path.p[0] != '/' && span_is(path, token->name))
		(void)next_string(&value, &r->stdout_path);
}

static enum status walk(struct reader *r)
{
	for (size_t at = 0;;) {
		struct fdt_token token = fdt_next_token(&r->tree->fdt, &at);
		if (token.kind == FDT_END)
			return STATUS_OK;
		if (token.kind == FDT_PROP) {
			record_property(&r->nodes[r->open_nodes - 1], &token);
			resolve_alias(r, &token);
			continue;
		}
		if (r->open_nodes != 0)
			TRY(parse_node(r));
		if (token.kind == FDT_BEGIN_NODE)
			open_node(r, token);
		else
			r->open_nodes--;
	}
}

static enum status read_reservations(struct devicetree *tree)
{
	uint64_t start, size, end;
	for (size_t i = 0; fdt_get_mem_rsv(&tree->fdt, i, &start, &size); i++) {
		if (add_overflows(start, size, &end))
			end = UINT64_MAX;
		if (range_set_add(&tree->reserved, (struct range){ start, end }) != STATUS_OK)
			return refuse(STATUS_MEMORY_MAP_TOO_LONG,
				      "the device tree has more than %u reservations",
				      RANGE_SET_MAX);
	}
	return STATUS_OK;
}

enum status devicetree_read(const uint8_t *blob, uint64_t base, uint64_t limit,
			    struct devicetree *out)
{
	// Static, since firmware guarantees only small stacks.
	static struct reader reader;
	*out = (struct devicetree){ 0 };
	TRY(fdt_check(blob, limit, &out->fdt));
	out->at = (struct range){ base, base + out->fdt.size };
	TRY(read_reservations(out));
	reader = (struct reader){ .tree = out };
	TRY(walk(&reader));
	// A single UART is the console, whatever stdout-path names. With several, the first walk
	// may pass the right one before it learns stdout-path at /chosen; reader.stdout_path stays
	// for the next walks. If it is a path, the second walk finds the UART. If it is an alias,
	// the second walk replaces it by a path at /aliases, and the third one finds a UART that
	// precedes /aliases.
	reader.devices_only = true;
	for (unsigned i = 0;
	     i < 2 && reader.uarts > 1 && !reader.uart_named && reader.stdout_path.n != 0; i++)
		TRY(walk(&reader));
	if (!out->has_module && reader.initrd.start != reader.initrd.end) {
		out->module = reader.initrd;
		out->has_module = true;
	}
	return STATUS_OK;
}

enum status devicetree_usable_ram(const struct devicetree *tree, struct range_set *out)
{
	*out = tree->ram;
	for (uint32_t i = 0; i < tree->reserved.count; i++)
		if (range_set_remove(out, tree->reserved.ranges[i]) != STATUS_OK)
			return refuse(STATUS_MEMORY_MAP_TOO_LONG,
				      "free RAM has more than %u pieces", RANGE_SET_MAX);
	if (out->count == 0)
		return refuse(STATUS_MEMORY_MAP_EMPTY, "the device tree has no usable RAM");
	return STATUS_OK;
}
