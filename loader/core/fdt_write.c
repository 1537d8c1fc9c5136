// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The sequential writer of flattened device trees. Blocks are written in the order of the
// specification: header, reservations, structure, strings. The header is completed last.
#include "core/fdt.h"
#include "core/span.h"
#include "core/text.h"

enum { VERSION = 17, LAST_COMPATIBLE = 16 };

// The names of enum fdt_name in its order, and the offset of each.
static const char strings[] =
	"compatible\0#address-cells\0#size-cells\0device_type\0reg\0bootargs\0status";
static const uint8_t string_at[FDT_NAMES] = { 0, 11, 26, 38, 50, 54, 63 };

// Returns `n` bytes of the buffer; `n` is not 0. Returns NULL on overflow and in every later call,
// so that fdt_finish() alone can report it.
static uint8_t *grab_space(struct fdt_writer *w, size_t n)
{
	if (n > (size_t)(w->end - w->p)) {
		w->overflow = true;
		w->end = w->p;
		return NULL;
	}
	uint8_t *p = w->p;
	w->p += n;
	return p;
}

static void put_u32(struct fdt_writer *w, uint32_t v)
{
	uint8_t *p = grab_space(w, 4);
	if (p != NULL)
		store_u32(p, v, ORDER_BIG);
}

static void put_u64(struct fdt_writer *w, uint64_t v)
{
	uint8_t *p = grab_space(w, 8);
	if (p != NULL)
		store_u64(p, v, ORDER_BIG);
}

// Writes the bytes, a NUL, and zeros up to a multiple of 4.
static void put_string(struct fdt_writer *w, const char *bytes, size_t n)
{
	size_t padded = align_up(n + 1, 4);
	uint8_t *p = grab_space(w, padded);
	if (p == NULL)
		return;
	// Clears the last word first: the copy overwrites all of it but the padding.
	memset(p + padded - 4, 0, 4);
	memcpy(p, bytes, n);
}

void fdt_create(struct fdt_writer *w, uint8_t *at, size_t size, struct span source_strings)
{
	*w = (struct fdt_writer){
		.start = at, .p = at, .end = at + size, .strings = source_strings
	};
	grab_space(w, FDT_HEADER_SIZE);
}

void fdt_add_reservemap_entry(struct fdt_writer *w, uint64_t address, uint64_t size)
{
	put_u64(w, address);
	put_u64(w, size);
}

static void begin_structure(struct fdt_writer *w)
{
	if (w->structure != NULL)
		return;
	// An entry of zeros ends the reservations (5.3.2).
	fdt_add_reservemap_entry(w, 0, 0);
	w->structure = w->p;
}

void fdt_copy_token(struct fdt_writer *w, struct span token)
{
	begin_structure(w);
	uint8_t *p = grab_space(w, token.n);
	if (p != NULL)
		memcpy(p, token.p, token.n);
}

void fdt_begin_node(struct fdt_writer *w, const char *name, size_t length)
{
	begin_structure(w);
	put_u32(w, FDT_BEGIN_NODE);
	put_string(w, name, length);
}

void fdt_end_node(struct fdt_writer *w)
{
	put_u32(w, FDT_END_NODE);
}

static void put_prop(struct fdt_writer *w, enum fdt_name name, size_t length)
{
	put_u32(w, FDT_PROP);
	put_u32(w, (uint32_t)length);
	// The writer's strings follow those of the source tree.
	put_u32(w, (uint32_t)w->strings.n + string_at[name]);
}

void fdt_property_u32(struct fdt_writer *w, enum fdt_name name, uint32_t value)
{
	put_prop(w, name, 4);
	put_u32(w, value);
}

static void put_cells(struct fdt_writer *w, uint64_t value, unsigned cells)
{
	if (cells == 2)
		put_u64(w, value);
	else
		put_u32(w, (uint32_t)value);
}

void fdt_property_reg(struct fdt_writer *w, enum fdt_name name, uint64_t address,
		      unsigned address_cells, uint64_t size, unsigned size_cells)
{
	put_prop(w, name, 4 * ((size_t)address_cells + size_cells));
	put_cells(w, address, address_cells);
	put_cells(w, size, size_cells);
}

void fdt_property_string(struct fdt_writer *w, enum fdt_name name, const char *text, size_t length)
{
	put_prop(w, name, length + 1);
	put_string(w, text, length);
}

void fdt_memory_node(struct fdt_writer *w, struct range r, unsigned address_cells,
		     unsigned size_cells)
{
	char name[FDT_MEMORY_NAME_MAX];
	fdt_begin_node(w, name, fmt(name, sizeof name, "memory@%lx", r.start));
	fdt_property_string(w, FDT_DEVICE_TYPE, "memory", sizeof "memory" - 1);
	fdt_property_reg(w, FDT_REG, r.start, address_cells, range_size(r), size_cells);
	fdt_end_node(w);
}

size_t fdt_finish(struct fdt_writer *w)
{
	put_u32(w, FDT_END);
	uint8_t *names = grab_space(w, w->strings.n + sizeof strings);
	if (w->overflow || names == NULL)
		return 0;
	if (w->strings.n != 0)
		memcpy(names, w->strings.p, w->strings.n);
	memcpy(names + w->strings.n, strings, sizeof strings);
	size_t size = (size_t)(w->p - w->start);
	// struct fdt_header (5.2), in order.
	const uint32_t header[FDT_HEADER_SIZE / 4] = {
		FDT_MAGIC,
		(uint32_t)size,
		(uint32_t)(w->structure - w->start),
		(uint32_t)(names - w->start),
		FDT_HEADER_SIZE,
		VERSION,
		LAST_COMPATIBLE,
		0, // boot_cpuid_phys: kernels take the boot CPU from an argument
		(uint32_t)(w->strings.n + sizeof strings),
		(uint32_t)(names - w->structure),
	};
	for (size_t i = 0; i < countof(header); i++)
		store_u32(w->start + 4 * i, header[i], ORDER_BIG);
	return size;
}
