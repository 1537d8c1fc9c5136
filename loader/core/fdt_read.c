// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The reader of flattened device trees. The firmware's tree is untrusted and may be truncated.
// Without UEFI it is the only description of memory on riscv64 and aarch64.
#include "core/fdt.h"
#include "core/log.h"
#include "core/text.h"

enum {
	// Versions before 16 have full paths as node names; 1 and 2 also lack the size of the
	// strings block.
	OLDEST_VERSION = 16,
	NEWEST_VERSION = 17,
	RESERVE_ENTRY = 16,
	FDT_NOP = 4,
};

// Fields of the header as indexes of 32-bit words (5.2).
enum header_field {
	MAGIC,
	TOTALSIZE,
	OFF_DT_STRUCT,
	OFF_DT_STRINGS,
	OFF_MEM_RSVMAP,
	VERSION,
	LAST_COMP_VERSION,
	BOOT_CPUID_PHYS,
	SIZE_DT_STRINGS,
	SIZE_DT_STRUCT
};

// Tokens and header fields are at multiples of 4: fdt_check() verifies the alignment of the blob
// and of its structure block. With -mstrict-align this saves three loads per integer.
static uint32_t load_aligned_u32(const uint8_t *p)
{
	return load_u32(__builtin_assume_aligned(p, 4), ORDER_BIG);
}

static uint32_t field(const uint8_t *header, enum header_field index)
{
	return load_aligned_u32(header + 4 * (size_t)index);
}

// Returns the length of the string at `at`, which ends at a NUL or at the end of the span.
static size_t string_size(struct span s, size_t at)
{
	size_t n = 0;
	while (at + n < s.n && s.p[at + n] != '\0')
		n++;
	return n;
}

// Reads the property whose FDT_PROP ends at `*at`: length, offset of the name, value (5.4.1).
static must_check bool read_property(const struct fdt *fdt, size_t *at, struct fdt_token *out)
{
	struct span head, value;
	if (!span_sub(fdt->structure, *at, 8, &head))
		return false;
	uint32_t n = load_aligned_u32(head.p), name_at = load_aligned_u32(head.p + 4);
	if (!span_sub(fdt->structure, *at + 8, n, &value) || name_at >= fdt->strings.n)
		return false;
	*out = (struct fdt_token){ .kind = FDT_PROP,
				   .name = (const char *)fdt->strings.p + name_at,
				   .value = value };
	*at += 8 + align_up(n, 4);
	return *at <= fdt->structure.n;
}

// Reads the token at `*at` and advances `*at` past its padding (5.4.1). FDT_NOP is skipped, FDT_END
// is not, so that later calls return it again. Returns false for an unknown or truncated token.
static must_check bool read_token(const struct fdt *fdt, size_t *at, struct fdt_token *out)
{
	struct span word;
	const struct span s = fdt->structure;
	for (;;) {
		if (!span_sub(s, *at, 4, &word))
			return false;
		*at += 4;
		switch (load_aligned_u32(word.p)) {
		case FDT_NOP:
			continue;
		case FDT_END_NODE:
			*out = (struct fdt_token){ .kind = FDT_END_NODE };
			return true;
		case FDT_END:
			*out = (struct fdt_token){ .kind = FDT_END };
			*at -= 4;
			return true;
		case FDT_BEGIN_NODE: {
			size_t n = string_size(s, *at);
			*out = (struct fdt_token){ .kind = FDT_BEGIN_NODE,
						   .name = (const char *)s.p + *at,
						   .name_size = n };
			*at += align_up(n + 1, 4);
			return *at <= s.n;
		}
		case FDT_PROP:
			return read_property(fdt, at, out);
		default:
			return false;
		}
	}
}

struct fdt_token fdt_next_token(const struct fdt *fdt, size_t *at)
{
	struct fdt_token token;
	// fdt_check() has seen every token, so this does not fail.
	if (!read_token(fdt, at, &token))
		return (struct fdt_token){ .kind = FDT_END };
	return token;
}

bool fdt_node_name_is(const struct fdt_token *token, const char *wanted)
{
	const char *name = token->name;
	for (; *wanted != '\0' && *name == *wanted; wanted++)
		name++;
	return *wanted == '\0' && (*name == '\0' || *name == '@');
}

bool fdt_get_mem_rsv(const struct fdt *fdt, size_t index, uint64_t *address, uint64_t *size)
{
	if (index >= fdt->reserve.n / RESERVE_ENTRY)
		return false;
	const uint8_t *entry = fdt->reserve.p + index * RESERVE_ENTRY;
	*address = load_u64(entry, ORDER_BIG);
	*size = load_u64(entry + 8, ORDER_BIG);
	return true;
}

// Checks the order of the tokens (5.4.2): one root node, all nodes closed, properties before child
// nodes, no node deeper than FDT_DEPTH_MAX. Cuts `fdt->structure` after FDT_END.
static enum status check_structure(struct fdt *fdt)
{
	size_t at = 0;
	unsigned open_nodes = 0;
	bool root_seen = false;
	// The innermost node has no child yet, so a property may follow.
	bool props_may_follow = false;
	for (;;) {
		struct fdt_token token;
		size_t start = at;
		if (!read_token(fdt, &at, &token))
			return refuse(STATUS_FDT_MALFORMED,
				      "the device tree has no valid token at offset %#lx of its "
				      "structure",
				      start);
		bool good = false;
		switch (token.kind) {
		case FDT_BEGIN_NODE:
			good = open_nodes <= FDT_DEPTH_MAX && (open_nodes != 0 || !root_seen);
			root_seen = true;
			props_may_follow = true;
			open_nodes++;
			break;
		case FDT_PROP:
			good = props_may_follow && open_nodes != 0;
			break;
		case FDT_END_NODE:
			good = open_nodes != 0;
			props_may_follow = false;
			open_nodes--;
			break;
		case FDT_END:
			if (open_nodes != 0 || !root_seen)
				break;
			fdt->structure.n = at + 4;
			return STATUS_OK;
		}
		if (!good)
			return refuse(STATUS_FDT_MALFORMED,
				      "the device tree's token at offset %#lx of its structure is "
				      "misplaced",
				      start);
	}
}

// Returns the memory reservations without the terminating entry of zeros (5.3.2). An entry with
// address 0 and a size is valid.
static struct span find_reservations(struct span blob, uint64_t offset)
{
	struct span entry, entries = { blob.p + offset, 0 };
	while (span_sub(blob, offset + entries.n, RESERVE_ENTRY, &entry) &&
	       (load_u64(entry.p, ORDER_BIG) | load_u64(entry.p + 8, ORDER_BIG)) != 0)
		entries.n += RESERVE_ENTRY;
	return entries;
}

// Checks alignment, magic number, size and version (5.2).
static enum status check_header(const uint8_t *p, uint64_t limit)
{
	if ((uintptr_t)p % 8 != 0)
		return refuse(STATUS_FDT_MALFORMED,
			      "the address of the device tree is not a multiple of 8, but %lu "
			      "bytes above one",
			      (uintptr_t)p % 8);
	if (limit < FDT_HEADER_SIZE || field(p, MAGIC) != FDT_MAGIC)
		return refuse(STATUS_FDT_MISSING, "no device tree: its first word is %#x, not %#x",
			      limit < 4 ? 0 : field(p, MAGIC), FDT_MAGIC);
	uint64_t total = field(p, TOTALSIZE);
	if (total < FDT_HEADER_SIZE || total > limit ||
	    field(p, LAST_COMP_VERSION) > NEWEST_VERSION || field(p, VERSION) < OLDEST_VERSION)
		return refuse(STATUS_FDT_MALFORMED,
			      "the device tree has %#lx bytes (%#lx are readable), version %u",
			      total, limit, field(p, VERSION));
	return STATUS_OK;
}

enum status fdt_check(const uint8_t *p, uint64_t limit, struct fdt *out)
{
	TRY(check_header(p, limit));
	const uint64_t total = field(p, TOTALSIZE);
	const struct span blob = { p, total };
	struct fdt fdt = { 0 };
	const uint64_t structure_at = field(p, OFF_DT_STRUCT);
	const uint64_t strings_at = field(p, OFF_DT_STRINGS);
	const uint64_t reserve_at = field(p, OFF_MEM_RSVMAP);
	// Version 16 lacks size_dt_struct. The structure then ends at FDT_END, before `totalsize`.
	uint64_t structure_size = field(p, VERSION) >= NEWEST_VERSION
					  ? field(p, SIZE_DT_STRUCT)
					  : total - (structure_at < total ? structure_at : total);
	if (structure_at % 4 != 0 || reserve_at % 8 != 0 ||
	    !span_sub(blob, structure_at, structure_size, &fdt.structure) ||
	    !span_sub(blob, strings_at, field(p, SIZE_DT_STRINGS), &fdt.strings) ||
	    reserve_at > total)
		return refuse(STATUS_FDT_MALFORMED,
			      "the device tree's blocks at %#lx, %#lx and %#lx are misaligned or "
			      "not inside its %#lx bytes",
			      structure_at, strings_at, reserve_at, total);
	if (fdt.strings.n != 0 && fdt.strings.p[fdt.strings.n - 1] != '\0')
		return refuse(STATUS_FDT_MALFORMED,
			      "the device tree's strings do not end with NUL");
	fdt.reserve = find_reservations(blob, reserve_at);
	TRY(check_structure(&fdt));
	// The blocks may be in any order, so the used size is the end of the last one.
	uint64_t ends[] = { structure_at + fdt.structure.n, strings_at + fdt.strings.n,
			    reserve_at + fdt.reserve.n + RESERVE_ENTRY };
	for (size_t i = 0; i < countof(ends); i++)
		if (ends[i] > fdt.size)
			fdt.size = ends[i] < total ? ends[i] : total;
	*out = fdt;
	return STATUS_OK;
}
