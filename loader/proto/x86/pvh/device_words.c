// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// QEMU's words for virtio-mmio devices on the command line (hw/i386/microvm.c), as kernels read
// them.
#include "core/cmdline.h"
#include "core/text.h"
#include "proto/x86/protocol.h"

static const char qemu_word[] = "virtio_mmio.device=512@";
static const char kernel_word[] = "virtio_mmio.device=4K@";

enum { QEMU_WORD = sizeof qemu_word - 1, KERNEL_WORD = sizeof kernel_word - 1 };

static bool is_device_word(struct span word)
{
	return word.n >= QEMU_WORD && memcmp(word.p, qemu_word, QEMU_WORD) == 0;
}

// Finds the word `--`, and where the device words at the end of the line start; each is `n` if
// there is none.
static void find_parts(struct span line, size_t *dashes, size_t *devices)
{
	struct span word;
	*dashes = *devices = line.n;
	for (size_t at = 0; cmdline_word(line, &at, &word);) {
		const size_t start = (size_t)(word.p - line.p);
		if (*dashes == line.n && span_is(word, "--"))
			*dashes = start;
		if (!is_device_word(word))
			*devices = line.n;
		else if (*devices == line.n)
			*devices = start;
	}
	// QEMU appends words, not blanks.
	if (line.n != 0 && line.p[line.n - 1] == ' ')
		*devices = line.n;
}

static void reverse(uint8_t *line, size_t from, size_t to)
{
	for (; from + 1 < to; from++, to--) {
		uint8_t byte = line[from];
		line[from] = line[to - 1];
		line[to - 1] = byte;
	}
}

size_t pvh_edit_cmdline(uint8_t *line, size_t n)
{
	size_t end, devices, to = 0, copied = 0;
	struct span word;
	find_parts((struct span){ line, n }, &end, &devices);
	if (end < devices && devices < n) {
		// `-- ARGS WORDS` becomes `WORDS -- ARGS`: reverse all bytes, then each part.
		size_t next = end + (n - devices);
		reverse(line, end, n);
		reverse(line, end, next);
		reverse(line, next + 1, n);
		end = next;
	}
	// `to` never passes the word that is read next: the kernel's form is shorter.
	for (size_t at = 0; cmdline_word((struct span){ line, end }, &at, &word);) {
		if (!is_device_word(word))
			continue;
		const size_t start = (size_t)(word.p - line);
		memmove(line + to, line + copied, start - copied);
		to += start - copied;
		memcpy(line + to, kernel_word, KERNEL_WORD);
		to += KERNEL_WORD;
		copied = start + QEMU_WORD;
	}
	memmove(line + to, line + copied, n - copied);
	return to + n - copied;
}
