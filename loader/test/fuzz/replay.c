// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// In libFuzzer's place: runs each file that is named once, in an allocation of just its size.
#include <stdio.h>
#include <stdlib.h>

#include "test/fuzz/fuzz.h"

// The mutators are linked and not called.
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t room)
{
	(void)data;
	(void)room;
	return n;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
			perror(argv[i]);
			return 2;
		}
		size_t n = (size_t)ftell(file);
		uint8_t *data = malloc(n);
		rewind(file);
		if (fread(data, 1, n, file) != n) {
			perror(argv[i]);
			return 2;
		}
		fclose(file);
		LLVMFuzzerTestOneInput(data, n);
		free(data);
	}
	printf("%d replayed\n", argc - 1);
	return 0;
}
