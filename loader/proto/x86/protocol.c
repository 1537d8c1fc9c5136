// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Common readers of the x86 boot protocols. Untrusted: an address is mapped only within
// `boot->mappable`, sums are checked for overflow.
#include "proto/x86/protocol.h"

#include "core/panic.h"

// Offsets in an E820 entry, then those of the RSDP.
enum {
	ADDRESS_AT = 0,
	SIZE_AT = 8,
	TYPE_AT = 16,
	TYPE_RAM = 1,
	// Size in revision 0. Later revisions keep a checksum of this part.
	RSDP_FIRST_SIZE = 20,
	RSDP_REVISION_AT = 15,
	RSDP_LENGTH_AT = 20,
	RSDP_SIZE = 36,
};

static must_check bool map_span(const struct protocol_reader *reader, uint64_t at, uint64_t size,
				struct span *out)
{
	struct range range = { at, 0 };
	if (add_overflows(at, size, &range.end) || !range_inside(range, reader->boot->mappable))
		return false;
	void *p = reader->map(range);
	*out = (struct span){ p, size };
	return p != NULL;
}

bool protocol_span(const struct protocol_reader *reader, uint64_t at, uint64_t size,
		   struct span *out)
{
	struct boot *boot = reader->boot;
	if (!map_span(reader, at, size, out))
		return false;
	// START_INFO_MAX is the number of calls of the protocol with the most calls.
	ASSERT(boot->start_info_count < countof(boot->start_info));
	boot->start_info[boot->start_info_count++] = (struct range){ at, at + size };
	return true;
}

enum status protocol_cmdline(const struct protocol_reader *reader, uint64_t at, uint64_t most)
{
	struct boot *boot = reader->boot;
	struct span text;
	const bool bounded = most <= CMDLINE_MAX;
	// One byte more: a line of CMDLINE_MAX bytes still has its NUL.
	if (!bounded)
		most = CMDLINE_MAX + 1;
	// The line may be shorter than `most` and end near the end of memory.
	if (at < boot->mappable.end && boot->mappable.end - at < most)
		most = boot->mappable.end - at;
	if (!protocol_span(reader, at, most, &text))
		return refuse(reader->unreachable, "the command line at %#lx is out of reach", at);
	size_t n = 0;
	while (n < text.n && text.p[n] != '\0')
		n++;
	if (n == text.n && !bounded)
		return refuse(STATUS_CMDLINE_TOO_LONG,
			      "the command line at %#lx has no end within %#lx bytes", at, text.n);
	// Only the text: the bytes after it may belong to the application's file.
	boot->start_info[boot->start_info_count - 1].end = at + n;
	boot->cmdline = (struct span){ text.p, n };
	return STATUS_OK;
}

// The application is not added to boot->start_info: the core moves it if its place is needed.
enum status protocol_app(const struct protocol_reader *reader, uint64_t at, uint64_t size,
			 uint32_t count)
{
	struct boot *boot = reader->boot;
	if (size != 0 && !map_span(reader, at, size, &boot->app))
		return refuse(reader->unreachable,
			      "the application at %#lx with %#lx bytes is out of reach", at, size);
	boot->app_at = at;
	boot->module_count = count;
	return STATUS_OK;
}

enum status protocol_module(const struct protocol_reader *reader, struct range app, uint32_t count)
{
	struct boot *boot = reader->boot;
	void *p = app.start <= app.end && range_inside(app, boot->mappable) ? reader->map(app)
									    : NULL;
	if (app.start > app.end || (p == NULL && app.start != app.end))
		return refuse(STATUS_MULTIBOOT_MODULE,
			      "the first module %#lx..%#lx is not a range within reach", app.start,
			      app.end);
	boot->app = (struct span){ p, range_size(app) };
	boot->app_at = app.start;
	boot->module_count = count;
	return STATUS_OK;
}

enum status protocol_memory_entry(const struct protocol_reader *reader, enum protocol_pass pass,
				  struct range range, bool is_ram)
{
	struct range_set *usable = &reader->boot->usable;
	enum status status = STATUS_OK;
	if (pass == PROTOCOL_ADD_RAM && is_ram)
		status = range_set_add(usable, range);
	else if (pass == PROTOCOL_REMOVE_RESERVED && !is_ram)
		status = range_set_remove(usable, range);
	return status == STATUS_OK
		       ? STATUS_OK
		       : refuse(status, "the memory map has more than %u ranges", RANGE_SET_MAX);
}

enum status protocol_require_memory(const struct protocol_reader *reader)
{
	return reader->boot->usable.count != 0
		       ? STATUS_OK
		       : refuse(STATUS_MEMORY_MAP_EMPTY, "the memory map has no usable RAM");
}

enum status protocol_e820(const struct protocol_reader *reader, struct span map, size_t stride)
{
	for (enum protocol_pass pass = PROTOCOL_ADD_RAM; pass <= PROTOCOL_REMOVE_RESERVED; pass++) {
		for (size_t at = 0; at + stride <= map.n; at += stride) {
			const uint8_t *p = map.p + at;
			struct range range = { load_u64(p + ADDRESS_AT, ORDER_LITTLE), 0 };
			// An end of 2^64 wraps to 0: the range is empty and unused.
			if (add_overflows(range.start, load_u64(p + SIZE_AT, ORDER_LITTLE),
					  &range.end) &&
			    range.end != 0)
				return refuse(STATUS_MEMORY_MAP_MALFORMED,
					      "entry %lu of the memory map begins at %#lx and ends "
					      "beyond 2^64",
					      at / stride, range.start);
			TRY(protocol_memory_entry(reader, pass, range,
						  load_u32(p + TYPE_AT, ORDER_LITTLE) == TYPE_RAM));
		}
	}
	return protocol_require_memory(reader);
}

static bool checksum_is_0(const uint8_t *p, size_t n)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + p[i]);
	return sum == 0;
}

// Size of the RSDP at `at`, 0 if it is invalid. Both checksums must be 0.
static size_t rsdp_size(const struct protocol_reader *reader, uint64_t at, struct span *out)
{
	if (!map_span(reader, at, RSDP_FIRST_SIZE, out) || memcmp(out->p, "RSD PTR ", 8) != 0 ||
	    !checksum_is_0(out->p, RSDP_FIRST_SIZE))
		return 0;
	if (out->p[RSDP_REVISION_AT] < 2)
		return RSDP_FIRST_SIZE;
	if (!map_span(reader, at, RSDP_SIZE, out) ||
	    load_u32(out->p + RSDP_LENGTH_AT, ORDER_LITTLE) != RSDP_SIZE ||
	    !checksum_is_0(out->p, RSDP_SIZE))
		return 0;
	return RSDP_SIZE;
}

void protocol_rsdp(const struct protocol_reader *reader, uint64_t at)
{
	// A copy: the RSDP is not in boot->start_info, so block or copies may overwrite the
	// original.
	static uint8_t copy[RSDP_SIZE];
	struct span rsdp;
	if (at == 0)
		return;
	size_t n = rsdp_size(reader, at, &rsdp);
	if (n == 0) {
		log_line(LOG_WARN, "no valid ACPI root pointer at %#lx: the application gets none",
			 at);
		return;
	}
	memcpy(copy, rsdp.p, n);
	reader->boot->rsdp = (struct span){ copy, n };
}
