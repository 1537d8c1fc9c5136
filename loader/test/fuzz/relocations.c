// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Dynamic section and relocations of a valid file: the input replaces values in the tables, as
// pairs of the place (1 byte) and a value (8 bytes). What is accepted is relocated as elf_model.c
// does it.
#include "test/elf_builder.h"
#include "test/elf_model.h"
#include "test/fuzz/fuzz.h"

enum { STEP = 9, RUN_AT = 0x400000 };

// The end of the image, by link-time addresses.
static uint64_t end_of(const struct elf_spec *spec)
{
	uint64_t end = 0;
	for (unsigned i = 0; i < spec->phnum; i++)
		if (spec->phdr[i].type == PT_LOAD &&
		    spec->phdr[i].vaddr + spec->phdr[i].memsz > end)
			end = spec->phdr[i].vaddr + spec->phdr[i].memsz;
	return end;
}

// One replacement. The value is added to what is there, unless the highest bit of the place is set:
// small changes stay close to a valid file. Then a relocation's address is one near the image's
// end, where bounds are checked.
static void change(struct elf_spec *spec, uint8_t place, uint64_t value)
{
	const unsigned i = place & 0x1f, kind = place >> 5 & 3;
	uint64_t *const words[] = {
		(uint64_t *)&spec->rela[i / 3 % ELF_RELAS] + i % 3,
		(uint64_t *)&spec->dyn[i / 2 % ELF_DYNS] + i % 2,
		&spec->relr[i % ELF_RELRS],
		i % 2 != 0 ? &spec->sym[i / 2 % ELF_SYMS].value : (uint64_t *)&spec->plt[i / 2 % 2],
	};
	if ((place & 0x80) != 0 && kind == 0 && i % 3 == 0)
		value = end_of(spec) + (uint64_t)(int8_t)value;
	*words[kind] = (place & 0x80) != 0 ? value : *words[kind] + value;
	if (kind == 3 && i == 0)
		spec->sym[value % ELF_SYMS].section = (uint16_t)(value >> 8);
	if (kind == 3 && i == 2)
		spec->phdr[value % 3].flags ^= 2;
}

static void check(const struct elf_image *image, struct span file)
{
	struct window to = { malloc(image->size), RUN_AT, image->size };
	load_segments(image, file.p, to, false);
	if (load_relocate(image, to, RUN_AT) == STATUS_OK) {
		struct model model = model_load(file, RUN_AT);
		FUZZ_CHECK(model.size == to.n && memcmp(model.bytes, to.p, to.n) == 0);
		free(model.bytes);
	}
	free(to.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct elf_image image;
	struct elf_spec spec = elf_default();
	if (n == 0)
		return 0;
	console_open();
	if (data[0] % 2 != 0)
		elf_add_plt(&spec);
	spec.dyn_count = data[0] / 2 % ELF_DYNS + 1;
	for (size_t at = 1; at + STEP <= n; at += STEP)
		change(&spec, data[at], load_u64(data + at + 1, ORDER_LITTLE));
	uint8_t *file = elf_write(&spec);
	if (elf_parse((struct span){ file, spec.size }, &elf_target_x86_64, &image) == STATUS_OK)
		check(&image, (struct span){ file, spec.size });
	free(file);
	return 0;
}
