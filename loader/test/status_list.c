// SPDX-License-Identifier: Apache-2.0 OR MIT
// hermit-status: prints the list of core/status.h. Without option: number, class word, rule word
// and sentence, separated by tabs, a rule a line.
// --nasm: the same numbers for assembly.
#include <stdio.h>
#include <string.h>

#include "core/status.h"

static const struct {
	const char *name, *class, *rule, *sentence;
	unsigned number;
} list[] = {
#define X(name, number, class, rule, sentence) { #name, class, rule, sentence, number },
	STATUS_LIST(X)
#undef X
};

int main(int argc, char **argv)
{
	bool nasm = argc > 1 && strcmp(argv[1], "--nasm") == 0;
	for (size_t i = 0; i < countof(list); i++) {
		if (nasm)
			printf("%%define STATUS_%s %u\n%%define STATUS_%s_TEXT \"%u %s\"\n",
			       list[i].name, list[i].number, list[i].name, list[i].number,
			       list[i].rule);
		else
			printf("%u\t%s\t%s\t%s\n", list[i].number, list[i].class, list[i].rule,
			       list[i].sentence);
	}
	return 0;
}
