// SPDX-License-Identifier: Apache-2.0 OR MIT
// What an unpacked gzip file has: an application, or a Hermit image, which is a tar archive with an
// application and its configuration. (An "image" without "Hermit" is an application in memory.) The
// format is that of hermit-entry 0.10.8 and uhyve 0.8.
#pragma once

#include "core/image_config.h"
#include "core/span.h"
#include "core/status.h"

struct hermit_image {
	// The application's file, within the unpacked bytes.
	struct span app;
	// false: the file is the application itself, without a configuration.
	bool has_config;
	struct image_config config;
};

// Finds the application. Does not check its contents: elf_parse() does. Refuses with class 107 or
// 109, or with IMAGE_UNSUPPORTED.
must_check enum status hermit_image_open(struct span unpacked, struct hermit_image *out);

// Writes the command line that is to be used in the place of `line` to `out`:
//
//   [PATH] [env=KEY=VALUE for each of env_vars] [kernel_args] REST [-- app_args]
//
// `line` is PATH, if cmdline_path() finds one, and REST.
//
// As in uhyve, kernel_args and app_args are used only if cmdline_path() finds no words of the user.
// REST follows, since kernels and this loader take the last of several values. Words that the shell
// would split are quoted, since kernels split the line as a shell does. `path_first` is that of
// cmdline_path(). Refuses with CMDLINE_TOO_LONG if `out` is too small.
must_check enum status hermit_image_cmdline(const struct image_config *config, struct span line,
					    bool path_first, struct text_out *out);
