// SPDX-License-Identifier: Apache-2.0 OR MIT
// Flattened device trees (Devicetree Specification 0.4, chapter 5; version 17): a reader, and a
// sequential writer. All cells are big-endian.
#pragma once

#include "core/base.h"
#include "core/range.h"
#include "core/span.h"
#include "core/status.h"

#define FDT_DEPTH_MAX 16 // the root is at depth 0

// A tree that fdt_check has walked once from end to end: every walk afterwards stays inside.
struct fdt {
	struct span structure; // from the root's token up to and including the last one
	struct span strings;   // NUL-terminated
	struct span reserve;   // whole entries of 16 bytes, without the closing one
	size_t size;           // bytes from the blob's start that are really used
};

// `at` is where the tree lies, of which at most `most` bytes can be seen. FDT_MALFORMED has been
// printed.
must_check enum status fdt_check(const uint8_t *at, uint64_t most, struct fdt *out);

enum fdt_kind { FDT_NODE, FDT_PROP, FDT_NODE_END, FDT_DONE };

struct fdt_token {
	enum fdt_kind kind;
	const char *name;  // of the node or property, NUL-terminated
	size_t name_size;  // of a node, without NUL
	struct span value; // of the property
};

// The token at offset `*at` of the structure block (0 at first), and on to the next one. FDT_DONE
// for ever at the end.
struct fdt_token fdt_next_token(const struct fdt *fdt, size_t *at);

// Is it a node of this name? What follows '@' is not looked at.
bool fdt_node_name_is(const struct fdt_token *token, const char *wanted);

// The `index`th reservation, false behind the last one.
must_check bool fdt_get_mem_rsv(const struct fdt *fdt, size_t index, uint64_t *address,
				uint64_t *size);

// Names that the writer knows; they are offsets into one fixed strings block, so that no name is
// ever searched for.
enum fdt_name {
	FDT_COMPATIBLE,
	FDT_ADDRESS_CELLS,
	FDT_SIZE_CELLS,
	FDT_DEVICE_TYPE,
	FDT_REG,
	FDT_BOOTARGS,
	FDT_STATUS,
	FDT_NAMES
};

struct fdt_writer {
	uint8_t *start; // aligned to 8
	uint8_t *p;
	uint8_t *end;
	// where the structure block begins; NULL while reservations are written
	uint8_t *structure;
	struct span strings; // of the tree that properties are copied from; empty: none
	bool overflow;
};

// The order is: open, any number of reserve, then begin/prop/end of the root and its children, then
// close. `strings` come first in the tree's own.
void fdt_create(struct fdt_writer *w, uint8_t *at, size_t size, struct span strings);
void fdt_add_reservemap_entry(struct fdt_writer *w, uint64_t address, uint64_t size);
void fdt_begin_node(struct fdt_writer *w, const char *name, size_t length);
void fdt_end_node(struct fdt_writer *w);
void fdt_property_u32(struct fdt_writer *w, enum fdt_name name, uint32_t value);
// Address and size, so many cells each (1 or 2).
void fdt_property_reg(struct fdt_writer *w, enum fdt_name name, uint64_t address,
		      unsigned address_cells, uint64_t size, unsigned size_cells);
// The value's bytes and a NUL behind them.
void fdt_property_string(struct fdt_writer *w, enum fdt_name name, const char *text, size_t length);
// A whole memory node (3.4), of one range.
void fdt_memory_node(struct fdt_writer *w, struct range r, unsigned address_cells,
		     unsigned size_cells);
// A token as it was in the structure of the tree that `strings` are of.
void fdt_copy_token(struct fdt_writer *w, struct span token);

// Completes the header. The tree's size in bytes, or 0 when it did not fit.
size_t fdt_finish(struct fdt_writer *w);

// Upper bounds for sizing: of a whole tree without children and reservations, of a node, of a
// property with `length` bytes.
#define FDT_BASE_SIZE 256
#define FDT_RESERVE_SIZE 16
#define FDT_NODE_SIZE(name_length) (8 + ((name_length) + 4))
#define FDT_PROP_SIZE(length) (12 + ((length) + 4))
#define FDT_MEMORY_SIZE \
	(FDT_NODE_SIZE(FDT_MEMORY_NAME_MAX) + FDT_PROP_SIZE(sizeof "memory") + FDT_PROP_SIZE(16))
#define FDT_MEMORY_NAME_MAX 23 // "memory@" and sixteen hexadecimal digits
