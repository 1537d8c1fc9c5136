// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// QEMU's words for virtio-mmio devices on the command line (hw/i386/microvm.c), as kernels read
// them.
#include "proto/x86/protocol.h"

static const char qemu_word[] = "virtio_mmio.device=512@";
static const char kernel_word[] = "virtio_mmio.device=4K@";

enum { QEMU_WORD = sizeof qemu_word - 1, KERNEL_WORD = sizeof kernel_word - 1 };

static bool is_device_word(const uint8_t *line, size_t n, size_t at)
{
	return n - at >= QEMU_WORD && memcmp(line + at, qemu_word, QEMU_WORD) == 0;
}

// Where the device words at the end of the line start; `n` if it does not end with one.
static size_t device_words(const uint8_t *line, size_t n)
{
	size_t start = n, end = n;
	for (;;) {
		size_t at = end;
		while (at > 0 && line[at - 1] != ' ')
			at--;
		if (!is_device_word(line, n, at))
			return start;
		start = at;
		if (at == 0)
			return start;
		end = at - 1;
	}
}

// Where the word `--` starts; `n` if there is none.
static size_t dashes(const uint8_t *line, size_t n)
{
	for (size_t at = 0; at + 2 <= n; at++)
		if (line[at] == '-' && line[at + 1] == '-' && (at == 0 || line[at - 1] == ' ') &&
		    (at + 2 == n || line[at + 2] == ' '))
			return at;
	return n;
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
	size_t end = dashes(line, n), words = device_words(line, n), to = 0;
	if (end < words && words < n) {
		// `-- ARGS WORDS` becomes `WORDS -- ARGS`: reverse all bytes, then each part.
		size_t next = end + (n - words);
		reverse(line, end, n);
		reverse(line, end, next);
		reverse(line, next + 1, n);
		end = next;
	}
	for (size_t at = 0; at < n;) {
		if (at < end && (at == 0 || line[at - 1] == ' ') && is_device_word(line, n, at)) {
			memcpy(line + to, kernel_word, KERNEL_WORD);
			to += KERNEL_WORD;
			at += QEMU_WORD;
		} else {
			line[to++] = line[at++];
		}
	}
	return to;
}
