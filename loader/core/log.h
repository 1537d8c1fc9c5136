// SPDX-License-Identifier: Apache-2.0 OR MIT
// The log: lines of the form `[LOADER][INFO] text` on the console and in a ring buffer. The level
// words are upstream's; scripts match them.
#pragma once

#include "core/base.h"
#include "core/status.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE, LOG_LEVELS };

// The last lines, for a debugger: the newest byte is at (written - 1) % size. GDB's `hermit log`
// finds the ring by its symbol, or by its mark if the loader has no symbols. The ring is valid
// until the application reuses the loader's memory.
enum { LOG_RING_SIZE = 4096 - 16 };

extern struct log_ring {
	char mark[8]; // "HERMITLG"
	// Size of `text`, and bytes written so far, in the CPU's byte order.
	uint32_t size, written;
	char text[LOG_RING_SIZE];
} log_ring;

// Receives each complete line, including its newline.
typedef void log_sink(const char *text, size_t n);

// Sets the sink, empties the ring, and lets refuse() print again: it prints one refusal per
// log_init().
void log_init(log_sink *sink, enum log_level level);
void log_set_level(enum log_level level);
// Lines begin with `[LOADER] ` alone, as those of upstream's loaders before 0.4.0.
void log_set_plain(bool plain);
// Returns the level in upper case, as it appears in a line.
const char *log_level_word(enum log_level level);

// The size of a line with its newline. Longer ones are cut and end in "...".
enum { LOG_LINE_MAX = 320 };

// Prints one line if `level` is enabled.
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Prints a refusal: exit status, rule word, and a sentence that gives the compared values. Returns
// `status`, so that callers report and return in one expression. Prints only the first refusal
// after log_init(): tools rely on one line per run.
must_check enum status refuse(enum status status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
