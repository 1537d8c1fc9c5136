// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A compressed application or Hermit image. The first byte says what the rest is: a gzip file, an
// archive, or a hermit.toml.
#include <stdlib.h>
#include <string.h>

#include "core/gzip.h"
#include "core/image.h"
#include "test/fuzz/fuzz.h"

enum { SIZE_MAX_HERE = 1 << 20 };

static void line(const struct image_config *config)
{
	static uint8_t bytes[1 << 12];
	static const char *const lines[] = { "loader", "loader a=b" };
	for (unsigned i = 0; i < countof(lines); i++) {
		const struct span given = { (const uint8_t *)lines[i], strlen(lines[i]) };
		struct text_out out = { .p = bytes, .size = sizeof bytes };
		if (hermit_image_cmdline(config, given, true, &out) == STATUS_OK &&
		    out.n > sizeof bytes)
			__builtin_trap();
	}
}

static void open_archive(struct span unpacked)
{
	struct hermit_image image;
	if (hermit_image_open(unpacked, &image) == STATUS_OK && image.has_config)
		line(&image.config);
}

static void unpack(struct span file)
{
	struct gzip gzip;
	if (!gzip_recognise(file) || gzip_measure(file, &gzip) != STATUS_OK ||
	    gzip.unpacked_size > SIZE_MAX_HERE)
		return;
	uint8_t *to = malloc(gzip.unpacked_size + 1);
	if (gzip_unpack(&gzip, to) == STATUS_OK)
		open_archive((struct span){ to, gzip.unpacked_size });
	free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct image_config config;
	if (n == 0)
		return 0;
	const struct span rest = { data + 1, n - 1 };
	console_open();
	if (data[0] % 3 == 0)
		unpack(rest);
	else if (data[0] % 3 == 1)
		open_archive(rest);
	else if (image_config_read(rest, &config) == STATUS_OK)
		line(&config);
	return 0;
}
