// SPDX-License-Identifier: Apache-2.0 OR MIT
// The boot command line: `[PATH] [KERNEL_ARGS] [-- APP_ARGS]`. The loader's options are words of
// the form loader.KEY=VALUE before the first `--`. The kernel receives the line without them.
//
// All functions only read the line; words and option values point into it. Words are separated as
// kernels do it: quotes and backslashes protect blanks. So an option or a `--` in quotes is a part
// of its word.
#pragma once

#include "core/log.h"
#include "core/span.h"

// In bytes, without NUL. This loader's own limit.
#define CMDLINE_MAX KIB(64)

enum on_error { ON_ERROR_STOP, ON_ERROR_RETURN };

struct loader_options {
	enum log_level log;
	// loader.log-style=plain
	bool plain;
	// loader.onerror=. The core only checks the value. proto/uefi, which alone has a firmware
	// to return to, parses the line a second time for its platform->stop, with ON_ERROR_RETURN
	// as default.
	enum on_error on_error;
	// loader.era=: the entry version that selects the era, whatever the file says. 0: not
	// given.
	uint32_t entry_version;
	// loader.selftest=, in the debug profile only; empty if it was not given.
	struct span selftest;
};

// Finds the next word at or after `*at`, as it is written, with its quotes. Advances `*at` to its
// end. At the end of the line it returns false, and an empty word.
bool cmdline_word(struct span line, size_t *at, struct span *word);

// Reads the loader's options into `out`, which holds the defaults. Refuses an unknown key or value
// and a line that is not UTF-8 (class 93): kernels panic on such a line.
must_check enum status cmdline_options(struct span line, struct loader_options *out);

// Copies the line without the loader's options, and without the one blank before each, to `out`.
// `out` has room for line.n bytes and gets no NUL. Returns the number of bytes written.
size_t cmdline_strip(struct span line, char *out);

// Returns the size of the loader's path at the start of the line, 0 if there is none. If
// `path_first` says that the boot loader may pass one, the first word is the path unless it looks
// like an argument: a leading `-`, or a `=` without a slash before it. (GRUB 2 passes no path. It
// does no harm to take the user's first word for one: kernels do the same, and ignore it.)
//
// `user_words` is true if the line has words of the user. These do not count: the path, the
// loader's options, `virtio_mmio.device=...` (QEMU's microvm) and `-freq MHZ`.
size_t cmdline_path(struct span line, bool path_first, bool *user_words);

// Returns the number of leading bytes that are well-formed UTF-8 (RFC 3629).
size_t utf8_prefix(struct span text);
