// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Hermit images: the archive's files, and the command line.
#include "core/image.h"

#include "core/cmdline.h"
#include "core/elf.h"
#include "core/log.h"
#include "core/tar.h"

static const char config_name[] = "hermit.toml";

static enum status find_kernel(struct span archive, struct hermit_image *out)
{
	uint8_t bytes[IMAGE_NAME_MAX];
	struct text_out name = { .p = bytes, .size = sizeof bytes };
	struct span written = out->config.kernel;
	bool found = false;
	(void)image_config_string(&written, &name);
	if (!name.lost)
		TRY(tar_find(archive, (struct span){ name.p, name.n }, &out->app, &found));
	if (found)
		return STATUS_OK;
	return refuse(STATUS_ARCHIVE_NO_KERNEL,
		      "the image has no file %.*s, which its hermit.toml names as kernel",
		      (int)out->config.kernel.n, (const char *)out->config.kernel.p);
}

enum status hermit_image_open(struct span unpacked, struct hermit_image *out)
{
	struct span text;
	bool found;
	*out = (struct hermit_image){ .app = unpacked };
	if (unpacked.n >= 4 && memcmp(unpacked.p, ELF_MAGIC, 4) == 0)
		return STATUS_OK;
	if (!tar_recognise(unpacked))
		return refuse(STATUS_ARCHIVE_MALFORMED,
			      "the gzip file contains neither an ELF file nor a tar archive");
	out->has_config = true;
	TRY(tar_find(unpacked,
		     (struct span){ (const uint8_t *)config_name, sizeof config_name - 1 }, &text,
		     &found));
	if (!found)
		return refuse(STATUS_ARCHIVE_NO_CONFIG,
			      "the archive has no file hermit.toml, so it is no Hermit image");
	TRY(image_config_read(text, &out->config));
	return find_kernel(unpacked, out);
}

// Characters that a shell's word may have without quotes.
static bool is_plain(uint8_t c)
{
	static const char others[] = "_-+=./:,@%";
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	for (size_t i = 0; i < sizeof others - 1; i++)
		if (c == (uint8_t)others[i])
			return true;
	return c >= 0x80;
}

// Puts quotes around the word that begins at `start`, if it needs them. First moves the word up by
// the bytes to be added, then rewrites it from `start`.
static void quote(struct text_out *out, size_t start)
{
	static const char escaped[] = "'\\''";
	size_t quotes = 0, n = out->n - start;
	bool plain = n != 0;
	for (size_t i = start; i < out->n; i++) {
		plain &= is_plain(out->p[i]);
		quotes += out->p[i] == '\'';
	}
	const size_t more = 2 + 3 * quotes;
	if (plain || out->lost)
		return;
	out->lost = more > out->size - out->n;
	if (out->lost)
		return;
	memmove(out->p + start + more, out->p + start, n);
	const uint8_t *from = out->p + start + more;
	out->n = start;
	text_put(out, "'", 1);
	for (size_t i = 0; i < n; i++) {
		const uint8_t c = from[i];
		text_put(out, c == '\'' ? escaped : (const char *)&c, c == '\'' ? 4 : 1);
	}
	text_put(out, "'", 1);
}

static void put_blank(struct text_out *out)
{
	if (out->n != 0)
		text_put(out, " ", 1);
}

// Writes each string of an array as a word. `is_env`: as `env=KEY=VALUE`, and only strings with
// `=`.
static void put_words(struct span array, bool is_env, struct text_out *out)
{
	for (;;) {
		const struct text_out before = *out;
		put_blank(out);
		const size_t start = out->n;
		text_put(out, "env=", is_env ? sizeof "env=" - 1 : 0);
		const size_t value = out->n;
		if (!image_config_string(&array, out)) {
			*out = before;
			return;
		}
		bool is_kept = !is_env;
		for (size_t i = value; i < out->n; i++)
			is_kept |= out->p[i] == '=';
		// Only `n` is restored, not `lost`: a string that was cut may have lost its `=`.
		if (is_kept)
			quote(out, start);
		else
			out->n = before.n;
	}
}

static bool is_empty(struct span array)
{
	struct text_out none = { 0 };
	return !image_config_string(&array, &none);
}

enum status hermit_image_cmdline(const struct image_config *config, struct span line,
				 bool path_first, struct text_out *out)
{
	bool user_words;
	const size_t path = cmdline_path(line, path_first, &user_words);
	text_put(out, line.p, path);
	put_words(config->env_vars, true, out);
	// They precede the rest of the line, so that the user's options of the loader there win:
	// the last of several values counts.
	if (!user_words)
		put_words(config->kernel_args, false, out);
	// What follows the path begins with its blank.
	if (path == 0 && line.n != 0)
		put_blank(out);
	text_put(out, line.p + path, line.n - path);
	if (!user_words && !is_empty(config->app_args)) {
		put_blank(out);
		text_put(out, "--", 2);
		put_words(config->app_args, false, out);
	}
	if (out->lost)
		return refuse(STATUS_CMDLINE_TOO_LONG,
			      "the command line with the arguments of hermit.toml has more than "
			      "%lu bytes",
			      out->size);
	return STATUS_OK;
}
