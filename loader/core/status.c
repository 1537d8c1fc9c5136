// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The tables of status.h.
#include "core/status.h"

static const uint8_t numbers[] = { 0,
#define X(name, number, class, rule, sentence) number,
				   STATUS_LIST(X)
#undef X
};

// All words in one string, separated by NUL. A table of pointers would add one relocation per word
// to position-independent loaders.
static const char words[] = "ok\0"
#define X(name, number, class, rule, sentence) rule "\0"
	STATUS_LIST(X)
#undef X
	;

unsigned status_number(enum status status)
{
	return status < STATUS_COUNT ? numbers[status] : status_number(STATUS_INTERNAL_ASSERT);
}

const char *status_word(enum status status)
{
	const char *word = words;
	for (unsigned skip = status < STATUS_COUNT ? status : STATUS_INTERNAL_ASSERT; skip > 0;
	     skip--)
		while (*word++ != '\0')
			;
	return word;
}
