// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// hermit-host [--mem 256M] APP [CMDLINE]: the loader on a fake PC. Prints the loader's lines; exit
// status: that of a refusal, 0 where the application would get the CPU, 2 when the program itself
// could not do its work.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/fake_pc.h"

static int usage(const char *what)
{
	fprintf(stderr, "hermit-host: %s\nusage: hermit-host [--mem 256M] APP [CMDLINE]\n", what);
	return 2;
}

static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return NULL;
	uint8_t *bytes = NULL;
	size_t n = 0, room = 0, got;
	do {
		if (n == room) {
			room = room != 0 ? 2 * room : 1 << 16;
			bytes = realloc(bytes, room);
		}
		got = fread(bytes + n, 1, room - n, file);
		n += got;
	} while (got != 0);
	bool good = feof(file) && !ferror(file);
	fclose(file);
	*size = n;
	if (!good) {
		free(bytes);
		return NULL;
	}
	return bytes;
}

// "256M", "1G" or bytes; 0 when it is none of these.
static uint64_t parse_size(const char *text)
{
	char *end;
	uint64_t value = strtoul(text, &end, 10);
	if (*end == 'M')
		value = MIB(value);
	else if (*end == 'G')
		value = GIB(value);
	else if (*end != '\0')
		return 0;
	return *end == '\0' || end[1] == '\0' ? value : 0;
}

static struct fake_pc machine(uint64_t memory, const uint8_t *app, size_t app_size)
{
	// As QEMU's pc: memory beyond 3 GiB is above 4 GiB.
	uint64_t low = memory > GIB(3) ? GIB(3) : memory;
	struct fake_pc pc = fake_pc_default(low, app, app_size);
	if (memory > low)
		pc.map[pc.map_count++] = (struct fake_pc_range){ GIB(4), memory - low, 1 };
	pc.compare = false;
	return pc;
}

int main(int argc, char **argv)
{
	uint64_t memory = MIB(256);
	int at = 1;
	if (argc > 2 && strcmp(argv[1], "--mem") == 0) {
		memory = parse_size(argv[2]);
		at = 3;
	}
	if (argc - at < 1 || argc - at > 2)
		return usage("one or two arguments are needed");
	if (memory < MIB(2) || (memory & 0xfff) != 0)
		return usage("--mem needs a size of at least 2M");
	size_t app_size, line_size = 0;
	uint8_t *app = read_file(argv[at], &app_size);
	if (app == NULL)
		return usage("cannot read the application");
	const char *words = argc - at == 2 ? argv[at + 1] : "";
	if (app_size > memory - MIB(2) || app_size > GIB(3) - MIB(2) || strlen(words) > 0x40000)
		return usage("application and command line do not fit into that memory");
	// QEMU puts the loader's path before the words of -append.
	line_size = strlen(words) + sizeof "hermit-loader ";
	char *line = malloc(line_size);
	snprintf(line, line_size, "%s%s%s", "hermit-loader", *words != '\0' ? " " : "", words);
	struct fake_pc pc = machine(memory, app, app_size);
	pc.cmdline = line;
	console_mirror(stdout);
	const struct fake_outcome *outcome = fake_pc_boot(&pc);
	fflush(stdout);
	free(line);
	free(app);
	return outcome->end == FAKE_STOPPED ? (int)status_number(outcome->status) : 0;
}
