// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "test/elf_cases.h"

enum status elf_parse_spec(const struct elf_spec *spec, struct elf_image *out)
{
	uint8_t *file = elf_write(spec);
	enum status status = elf_parse((struct span){ file, spec->size }, &elf_target_x86_64, out);
	free(file);
	return status;
}

void elf_run_cases(const struct elf_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		static struct elf_image image;
		struct elf_spec spec = elf_default();
		cases[i].change(&spec);
		console_open();
		test_case("case %zu: %s", i, cases[i].text != NULL ? cases[i].text : "good");
		enum status status = elf_parse_spec(&spec, &image);
		if (cases[i].text == NULL)
			CHECK_STR(status == STATUS_OK ? "" : status_word(status), "");
		else
			check_refused(status, cases[i].status, cases[i].text, __FILE__, __LINE__);
	}
}
