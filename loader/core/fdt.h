// SPDX-License-Identifier: Apache-2.0 OR MIT
// Flattened device trees (Devicetree Specification 0.4, chapter 5): a reader for versions 16 and 17
// and a sequential writer of version 17, whose functions have libfdt's names where they have the
// same effect. All integers in a tree are big-endian.
//
// The reader only reads and points into the blob. The writer fills a buffer of the caller.
#pragma once

#include "core/base.h"
#include "core/range.h"
#include "core/span.h"
#include "core/status.h"

// Depth of the deepest node; the root has depth 0. Bounds the stack of open nodes in devicetree.c.
#define FDT_DEPTH_MAX 16

// The first word of the header, and the header's size in version 17 (5.2). Version 16 lacks the
// last word, but no such tree is smaller than 40 bytes.
#define FDT_MAGIC UINT32_C(0xd00dfeed)
#define FDT_HEADER_SIZE 40

// A tree that fdt_check() has walked from start to end, so that later walks cannot leave it.
struct fdt {
	// From the root's FDT_BEGIN_NODE up to and including FDT_END.
	struct span structure;
	struct span strings;
	// Entries of 16 bytes, without the terminating one.
	struct span reserve;
	// Used bytes from the start of the blob; `totalsize` may be much larger (QEMU: 1 MiB).
	size_t size;
};

// Checks the tree at `blob`, of which `limit` bytes are readable. Refuses with FDT_MISSING or
// FDT_MALFORMED.
must_check enum status fdt_check(const uint8_t *blob, uint64_t limit, struct fdt *out);

// The tokens of the structure block (5.4.1) that readers see: FDT_NOP is skipped.
enum fdt_kind { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_END = 9 };

struct fdt_token {
	enum fdt_kind kind;
	// Name of the node or property, NUL-terminated. The size excludes NUL and is set for nodes
	// only.
	const char *name;
	size_t name_size;
	// Value of the property.
	struct span value;
};

// Returns the token at offset `*at` of the structure block and advances `*at`, which is 0 at the
// start. Returns FDT_END at the end and in every later call.
struct fdt_token fdt_next_token(const struct fdt *fdt, size_t *at);

// Returns true if the node's name is `wanted`, with or without a unit address.
bool fdt_node_name_is(const struct fdt_token *token, const char *wanted);

// Reads memory reservation `index`. Returns false after the last one.
must_check bool fdt_get_mem_rsv(const struct fdt *fdt, size_t index, uint64_t *address,
				uint64_t *size);

// Names of properties that the writer adds. Their strings are a constant block, so that the writer
// never searches for a name.
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
	uint8_t *start;
	uint8_t *p;
	uint8_t *end;
	// Start of the structure block; NULL while reservations are written.
	uint8_t *structure;
	// The source tree's strings block; empty: no source tree.
	struct span strings;
	// The buffer was too small. Later writes do nothing.
	bool overflow;
};

// Starts a tree at `at`, which is aligned to 8, in a buffer of `size` bytes. Then the calls follow
// the layout of a tree: reservations, nodes with their properties before their children, and
// fdt_finish(). fdt_copy_token() copies from a source tree, whose strings block is
// `source_strings`. The new strings block begins with a copy of that one, so the offsets of names
// in copied tokens stay right.
void fdt_create(struct fdt_writer *w, uint8_t *at, size_t size, struct span source_strings);
void fdt_add_reservemap_entry(struct fdt_writer *w, uint64_t address, uint64_t size);
void fdt_begin_node(struct fdt_writer *w, const char *name, size_t length);
void fdt_end_node(struct fdt_writer *w);
void fdt_property_u32(struct fdt_writer *w, enum fdt_name name, uint32_t value);
// Writes one address and size of 1 or 2 cells each. The caller checks that the values fit.
void fdt_property_reg(struct fdt_writer *w, enum fdt_name name, uint64_t address,
		      unsigned address_cells, uint64_t size, unsigned size_cells);
// Writes `length` bytes and a NUL.
void fdt_property_string(struct fdt_writer *w, enum fdt_name name, const char *text, size_t length);
// Writes a complete /memory node (3.4) of one range.
void fdt_memory_node(struct fdt_writer *w, struct range r, unsigned address_cells,
		     unsigned size_cells);
// Writes the bytes of a token of the source tree, with its padding.
void fdt_copy_token(struct fdt_writer *w, struct span token);

// Writes strings block and header. Returns the tree's size in bytes, or 0 if it did not fit.
size_t fdt_finish(struct fdt_writer *w);

// Upper bounds in bytes, for the size of the buffer. Names and values are padded to 4.

// A tree with an empty root and no reservations: header, terminating reservation, tokens of the
// root and FDT_END, and the names of enum fdt_name. These are 142 bytes; the rest is for properties
// of the root.
#define FDT_BASE_SIZE 256
#define FDT_RESERVE_SIZE 16
#define FDT_NODE_SIZE(name_length) (8 + ((name_length) + 4))
#define FDT_PROP_SIZE(length) (12 + ((length) + 4))
// A complete memory node. Its name is "memory@" and up to sixteen hexadecimal digits.
#define FDT_MEMORY_NAME_MAX 23
#define FDT_MEMORY_SIZE \
	(FDT_NODE_SIZE(FDT_MEMORY_NAME_MAX) + FDT_PROP_SIZE(sizeof "memory") + FDT_PROP_SIZE(16))
