// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// tar archives: a header of one block before each file, whose bytes fill whole blocks.
#include "core/tar.h"

#include "core/log.h"

enum {
	BLOCK = 512,
	// Offsets and sizes in a header. The name is `prefix/name` if there is a prefix.
	NAME_AT = 0,
	NAME_SIZE = 100,
	SIZE_AT = 124,
	SIZE_SIZE = 12,
	CHECKSUM_AT = 148,
	CHECKSUM_SIZE = 8,
	TYPE_AT = 156,
	MAGIC_AT = 257,
	PREFIX_AT = 345,
	PREFIX_SIZE = 155,
};

// A number in octal digits, with blanks before and a blank or NUL after. False: it is none.
static must_check bool read_octal(const uint8_t *p, size_t n, uint64_t *out)
{
	size_t at = 0, first;
	uint64_t value = 0;
	while (at < n && p[at] == ' ')
		at++;
	for (first = at; at < n && p[at] >= '0' && p[at] <= '7'; at++)
		value = value << 3 | (uint64_t)(p[at] - '0');
	*out = value;
	return at > first && (at == n || p[at] == ' ' || p[at] == '\0');
}

// The sum of all bytes of the header, those of the checksum itself counted as blanks.
static bool checksum_is_right(const uint8_t *header)
{
	uint64_t stated, sum = (uint64_t)CHECKSUM_SIZE * ' ';
	for (size_t i = 0; i < BLOCK; i++)
		sum += i < CHECKSUM_AT || i >= CHECKSUM_AT + CHECKSUM_SIZE ? header[i] : 0;
	return read_octal(header + CHECKSUM_AT, CHECKSUM_SIZE, &stated) && stated == sum;
}

static bool is_end(const uint8_t *header)
{
	size_t i = 0;
	while (i < BLOCK && header[i] == 0)
		i++;
	return i == BLOCK;
}

static struct span field(const uint8_t *p, size_t n)
{
	size_t length = 0;
	while (length < n && p[length] != '\0')
		length++;
	return (struct span){ p, length };
}

// Removes leading `/` and `./`, and the `.` of a prefix or name that has nothing else.
static struct span without_root(struct span name)
{
	while (name.n != 0 &&
	       (name.p[0] == '/' || (name.p[0] == '.' && (name.n == 1 || name.p[1] == '/'))))
		name = (struct span){ name.p + 1, name.n - 1 };
	return name;
}

static bool same(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool has_name(const uint8_t *header, struct span wanted)
{
	struct span name = field(header + NAME_AT, NAME_SIZE), prefix = { 0 };
	// 6 bytes: the NUL counts. GNU's old format has `ustar ` and no prefix.
	if (memcmp(header + MAGIC_AT, "ustar", 6) == 0)
		prefix = without_root(field(header + PREFIX_AT, PREFIX_SIZE));
	if (prefix.n == 0)
		return same(without_root(name), wanted);
	return wanted.n == prefix.n + 1 + name.n && wanted.p[prefix.n] == '/' &&
	       same((struct span){ wanted.p, prefix.n }, prefix) &&
	       same((struct span){ wanted.p + prefix.n + 1, name.n }, name);
}

// POSIX: links, devices, directories and FIFOs have no data, whatever their size says.
static bool has_data(uint8_t type)
{
	return type < '1' || type > '6';
}

bool tar_recognise(struct span archive)
{
	return archive.n >= BLOCK && checksum_is_right(archive.p);
}

enum status tar_find(struct span archive, struct span name, struct span *out, bool *found)
{
	const struct span wanted = without_root(name);
	size_t at = 0;
	*found = false;
	// Two blocks of zeros end an archive; one is enough here, and some writers write none.
	while (archive.n - at >= BLOCK && !is_end(archive.p + at)) {
		const uint8_t *header = archive.p + at;
		uint64_t size;
		struct span bytes;
		if (!checksum_is_right(header))
			return refuse(STATUS_ARCHIVE_MALFORMED,
				      "the header at %#lx of the archive has a wrong checksum", at);
		const uint8_t type = header[TYPE_AT];
		const bool good = read_octal(header + SIZE_AT, SIZE_SIZE, &size);
		size = has_data(type) ? size : 0;
		if (!good || !span_sub(archive, at + BLOCK, size, &bytes))
			return refuse(STATUS_ARCHIVE_MALFORMED,
				      "the file at %#lx of the archive does not end within its "
				      "%#lx bytes",
				      at, archive.n);
		if ((type == '0' || type == '\0') && has_name(header, wanted)) {
			*out = bytes;
			*found = true;
		}
		size = align_up(size, BLOCK);
		if (size > archive.n - at - BLOCK)
			break;
		at += BLOCK + size;
	}
	return STATUS_OK;
}
