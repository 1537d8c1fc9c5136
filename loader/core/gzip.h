// SPDX-License-Identifier: Apache-2.0 OR MIT
// gzip files (RFC 1952). Like other readers of Hermit images, the loader reads the first member
// and ignores what follows it.
#pragma once

#include "core/span.h"
#include "core/status.h"

struct gzip {
	// The compressed data.
	struct span data;
	// Size of the decompressed data, and that of the whole member in the file, in bytes.
	uint64_t unpacked_size;
	size_t member_size;
	// CRC-32 of the decompressed data.
	uint32_t crc;
};

// Returns true if the file begins like a gzip file with the only compression method that there is.
bool gzip_recognise(struct span file);

// Reads the first member to its end without writing anything, so that the caller knows how much
// memory to claim. The result does not rely on a size that the file states. Takes time in
// proportion to the compressed size, not to the unpacked one. Refuses with class 105.
must_check enum status gzip_measure(struct span file, struct gzip *out);

// Decompresses what gzip_measure() has read to `to`, which has room for gzip->unpacked_size bytes.
// Refuses with GZIP_CHECKSUM, or with GZIP_MALFORMED if the file has changed since.
must_check enum status gzip_unpack(const struct gzip *gzip, uint8_t *to);
