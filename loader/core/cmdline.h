// SPDX-License-Identifier: Apache-2.0 OR MIT
// The boot command line: `[PATH] [KERNEL_ARGS] [-- APP_ARGS]`. The loader's own words are
// loader.KEY=VALUE, before the first `--`.
#pragma once

#include "core/log.h"
#include "core/span.h"

#define CMDLINE_MAX KIB(64)

enum on_error { ON_ERROR_STOP, ON_ERROR_RETURN };

struct loader_options {
	enum log_level log;
	enum on_error on_error;
	// entry version to hand over as, whatever the notes say; 0: by the notes
	uint32_t entry_version;
	// the debug profile's way to provoke an exception; empty: none
	struct span selftest;
};

// Reads the loader's words. A command line that is not UTF-8, or an unknown key or value, is
// refused.
must_check enum status cmdline_options(struct span line, struct loader_options *out);

// Writes what the kernel shall see to `out` (room for line.n bytes) and returns its length: the
// line without the loader's words and the blank before each; byte for byte the same when there are
// none.
size_t cmdline_strip(struct span line, char *out);

// How many bytes at the beginning are well-formed UTF-8 (RFC 3629).
size_t utf8_prefix(struct span text);
