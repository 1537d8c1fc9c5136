// SPDX-License-Identifier: Apache-2.0 OR MIT
// Lines for people and for tools: `[LOADER][INFO] text`. The words of the levels are those of
// upstream's loader.
#pragma once

#include "core/base.h"
#include "core/status.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE, LOG_LEVELS };

// The last lines, newest byte at (written - 1) % size, for a debugger: `hermit log`
// (harness/gdbcmds) finds them by symbol or by mark. They stay until the application uses this
// memory.
enum { LOG_RING_SIZE = 4096 - 16 };

extern struct log_ring {
	char mark[8]; // "HERMITLG"
	// bytes of text, and bytes ever written; in the CPU's byte order
	uint32_t size, written;
	char text[LOG_RING_SIZE];
} log_ring;

// Where finished lines go, newline included.
typedef void log_sink(const char *text, size_t n);

void log_open(log_sink *sink, enum log_level level);
void log_set_level(enum log_level level);
const char *log_level_word(enum log_level level); // upper case

// One line; longer ones than 319 bytes are cut and end in "...".
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The error line of a refusal: number, rule word, and the sentence that names the values compared.
// Returns `status`, so that detecting, telling and passing up is one expression. Only the first
// refusal is printed: there is one line a run.
must_check enum status refuse(enum status status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
