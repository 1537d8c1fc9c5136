// SPDX-License-Identifier: Apache-2.0 OR MIT
// Decompression: the DEFLATE format (RFC 1951). The input is untrusted. Every read is bounded by
// the input, every write by the room that the caller gives.
#pragma once

#include "core/base.h"
#include "core/span.h"

enum inflate_end {
	INFLATE_DONE,
	// The input ends before the last block does.
	INFLATE_TRUNCATED,
	// The input violates the format.
	INFLATE_MALFORMED,
	// The output has more than `room` bytes.
	INFLATE_NO_ROOM,
};

struct inflated {
	// Bytes of input that were read, and bytes of output.
	size_t used;
	uint64_t size;
};

// Decompresses `in` to `out`, which has room for `room` bytes. If `out` is NULL, it writes nothing
// and only measures: distances are checked against the number of bytes so far, so that the result
// is the same. `result` is valid after INFLATE_DONE.
must_check enum inflate_end inflate(struct span in, uint8_t *out, uint64_t room,
				    struct inflated *result);
