// SPDX-License-Identifier: Apache-2.0 OR MIT
// Sequential writer of flattened device trees (Devicetree Specification 0.4, chapter 5; version 17). All cells are big-endian.
#pragma once

#include "base.h"

// Property names are offsets into one fixed strings block, so that no name is ever searched for.
enum fdt_name { FDT_COMPATIBLE, FDT_ADDRESS_CELLS, FDT_SIZE_CELLS, FDT_DEVICE_TYPE, FDT_REG, FDT_BOOTARGS, FDT_NAMES };

struct fdt_writer {
	uint8_t *start; // aligned to 8
	uint8_t *p;
	uint8_t *end;
	uint8_t *structure; // where the structure block begins; NULL while reservations are written
	bool overflow;
};

// The order is: open, any number of reserve, then begin/prop/end of the root and its children, then close.
void fdt_open(struct fdt_writer *w, uint8_t *at, size_t size);
void fdt_reserve(struct fdt_writer *w, uint64_t address, uint64_t size);
void fdt_begin(struct fdt_writer *w, const char *name, size_t length);
void fdt_end(struct fdt_writer *w);
void fdt_prop_u32(struct fdt_writer *w, enum fdt_name name, uint32_t value);
void fdt_prop_range(struct fdt_writer *w, enum fdt_name name, uint64_t address, uint64_t size); // two cells each
// The value's bytes and a NUL behind them.
void fdt_prop_string(struct fdt_writer *w, enum fdt_name name, const char *text, size_t length);

// Completes the header. The tree's size in bytes, or 0 when it did not fit.
size_t fdt_close(struct fdt_writer *w);

// Upper bounds for sizing: of a whole tree without children and reservations, of a node, of a property with `length` bytes.
#define FDT_BASE_SIZE 256
#define FDT_RESERVE_SIZE 16
#define FDT_NODE_SIZE(name_length) (8 + ((name_length) + 4))
#define FDT_PROP_SIZE(length) (12 + ((length) + 4))
