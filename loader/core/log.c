// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// A line is formatted on the stack, then written in one piece, so that firmware output on the
// same console does not interleave with it.
#include "core/log.h"

#include "core/text.h"

struct log_ring log_ring;

static struct {
	log_sink *sink;
	enum log_level level;
	bool plain;
	bool refused;
} state;

void log_init(log_sink *sink, enum log_level level)
{
	state.sink = sink;
	state.level = level;
	state.plain = false;
	state.refused = false;
	memcpy(log_ring.mark, "HERMITLG", sizeof log_ring.mark);
	log_ring.size = LOG_RING_SIZE;
	log_ring.written = 0;
}

void log_set_level(enum log_level level)
{
	state.level = level;
}

void log_set_plain(bool plain)
{
	state.plain = plain;
}

const char *log_level_word(enum log_level level)
{
	static const char words[LOG_LEVELS][6] = { "ERROR", "WARN", "INFO", "DEBUG", "TRACE" };
	return words[level];
}

struct line {
	char text[LOG_LINE_MAX];
	size_t n;
};

// Appends to the ring and overwrites the oldest bytes. A line is shorter than the ring.
static void ring_append(const char *text, size_t n)
{
	uint32_t at = log_ring.written % LOG_RING_SIZE;
	size_t first = n < LOG_RING_SIZE - at ? n : LOG_RING_SIZE - at;
	memcpy(log_ring.text + at, text, first);
	memcpy(log_ring.text, text + first, n - first);
	log_ring.written += (uint32_t)n;
}

// Ends the line and writes it. An overlong line keeps its start, which names level or rule.
static void emit(struct line *line)
{
	if (line->n > LOG_LINE_MAX - 1) {
		line->n = LOG_LINE_MAX - 1;
		memcpy(line->text + line->n - 3, "...", 3);
	}
	line->text[line->n++] = '\n';
	ring_append(line->text, line->n);
	state.sink(line->text, line->n);
}

static void begin(struct line *line, enum log_level level)
{
	line->n = fmt(line->text, LOG_LINE_MAX, state.plain ? "[LOADER] " : "[LOADER][%s] ",
		      log_level_word(level));
}

void log_line(enum log_level level, const char *format, ...)
{
	if (level > state.level || state.sink == NULL)
		return;
	struct line line;
	begin(&line, level);
	va_list args;
	va_start(args, format);
	line.n += fmt_va(line.text + line.n, LOG_LINE_MAX - line.n, format, args);
	va_end(args);
	emit(&line);
}

enum status refuse(enum status status, const char *format, ...)
{
	// Refusals are printed at every level.
	if (state.refused || state.sink == NULL)
		return status;
	state.refused = true;
	struct line line;
	begin(&line, LOG_ERROR);
	line.n += fmt(line.text + line.n, LOG_LINE_MAX - line.n, "%u %s: ", status_number(status),
		      status_word(status));
	va_list args;
	va_start(args, format);
	line.n += fmt_va(line.text + line.n, LOG_LINE_MAX - line.n, format, args);
	va_end(args);
	emit(&line);
	return status;
}
