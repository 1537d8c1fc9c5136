// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/symbols.h"

extern char loader_start[], loader_text_end[]; // of the linker script
extern const uint32_t symbol_count;
extern const uint32_t symbol_addresses[]; // from loader_start on, ascending
extern const char symbol_names[];         // in the same order, each with its NUL

const char *symbol_find(uint64_t address, uint64_t *offset)
{
	const char *name = symbol_names, *found = NULL;
	if (address < (uint64_t)loader_start || address >= (uint64_t)loader_text_end)
		return NULL;
	address -= (uint64_t)loader_start;
	for (uint32_t i = 0; i < symbol_count && symbol_addresses[i] <= address; i++) {
		found = name;
		*offset = address - symbol_addresses[i];
		while (*name++ != '\0')
			;
	}
	return found;
}
