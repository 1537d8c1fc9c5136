// SPDX-License-Identifier: Apache-2.0 OR MIT
// What an unpacked gzip file has: an application, or a Hermit image, which is a tar archive with an
// application and its configuration. The format is that of hermit-entry 0.10.8 and uhyve 0.8.
#pragma once

#include "core/image_config.h"
#include "core/span.h"
#include "core/status.h"

struct image {
	// The application's file, within the unpacked bytes.
	struct span app;
	// false: the file is the application itself, without a configuration.
	bool has_config;
	struct image_config config;
};

// Finds the application. Whether that is one, elf_parse() checks. Refuses with class 107 or 109.
must_check enum status image_open(struct span unpacked, struct image *out);

// Writes the command line that is to be used in the place of `line` to `out`:
//
//   [PATH] [env=KEY=VALUE for each of env_vars] LINE [kernel_args -- app_args]
//
// As in uhyve, the arguments count only if `line` has none. The kernel takes the last of several
// values of a variable, so those of `line` win. Words that the shell would split are quoted, since
// kernels split the line as a shell does. `path_first`: the first word of `line` may be the
// loader's path. Refuses with CMDLINE_TOO_LONG if `out` is too small.
must_check enum status image_cmdline(const struct image_config *config, struct span line,
				     bool path_first, struct text_out *out);
