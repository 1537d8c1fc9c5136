// SPDX-License-Identifier: Apache-2.0 OR MIT
// The configuration of a Hermit image, hermit.toml, version 1: the part of TOML 1.0 that such files
// use. Untrusted. Nothing is copied: the spans point into the text, quotes and escapes included.
// image_config_string() decodes them.
#pragma once

#include "core/span.h"
#include "core/status.h"

// The longest name of a file in an archive, in bytes.
#define IMAGE_NAME_MAX 255

struct image_config {
	// A string, and arrays of strings, as they are written. Checked.
	struct span kernel;
	struct span kernel_args, app_args, env_vars;
	// 0: not given.
	uint64_t memory;
	uint64_t cpus;
};

// Reads the file. Keys that the format does not define are ignored, if their values are strings,
// numbers, truth values, dates or arrays of these. Refused, although TOML has them: inline tables,
// arrays of tables, arrays in arrays, quoted keys, strings of several lines, and dates with a blank
// before the time. Refuses with class 109, or with IMAGE_UNSUPPORTED if the version is not "1".
must_check enum status image_config_read(struct span text, struct image_config *out);

// Bounded output. `lost` is set as soon as something did not fit.
struct text_out {
	uint8_t *p;
	size_t n, size;
	bool lost;
};

void text_put(struct text_out *out, const void *bytes, size_t n);

// Decodes the string at the start of `written`, a string or the rest of an array, and removes it
// from there. Returns false at the end.
bool image_config_string(struct span *written, struct text_out *out);
