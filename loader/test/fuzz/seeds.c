// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// seeds DIRECTORY: writes one small valid input for each fuzz target that no file of the fixtures
// is an input of, as DIRECTORY/TARGET/seed.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "test/devicetree_builder.h"
#include "test/elf_builder.h"
#include "test/fuzz/fuzz.h"

static const char *directory;

static void save_as(const char *target, const char *name, const void *bytes, size_t n)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", directory, target);
	mkdir(path, 0777);
	snprintf(path, sizeof path, "%s/%s/%s", directory, target, name);
	FILE *file = fopen(path, "wb");
	if (file == NULL || fwrite(bytes, 1, n, file) != n || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

static void save(const char *target, const void *bytes, size_t n)
{
	save_as(target, "seed", bytes, n);
}

static void put(uint8_t *p, size_t at, uint64_t value, size_t size)
{
	memcpy(p + at, &value, size);
}

static void put_e820(uint8_t *p, size_t at, size_t stride, size_t skip)
{
	static const struct fuzz_entry map[] = { { 0, 0x9fc00, true },
						 { 0x9fc00, 0x60400, false },
						 { 0x100000, 0x7f00000, true },
						 { 0x1000000, 0x1000, false } };
	for (size_t i = 0; i < countof(map); i++, at += stride) {
		if (skip != 0)
			put(p, at, 20, 4);
		put(p, at + skip, map[i].start, 8);
		put(p, at + skip + 8, map[i].size, 8);
		put(p, at + skip + 16, map[i].is_ram ? 1 : 2, 4);
	}
}

// Addresses are from FUZZ_AT on.
static void start_information(void)
{
	uint8_t p[4096] = { 0 };
	put(p, 0, 0x4d, 4);
	put(p, 4, 639, 4);
	put(p, 8, 130048, 4);
	put(p, 16, FUZZ_AT + 0x200, 4);
	memcpy(p + 0x200, "loader -freq 100 -- a", 22);
	put(p, 20, 1, 4);
	put(p, 24, FUZZ_AT + 0x180, 4);
	put(p, 0x180, FUZZ_AT + 0x240, 4);
	put(p, 0x184, FUZZ_AT + 0x248, 4);
	put(p, 44, 4 * 24, 4);
	put(p, 48, FUZZ_AT + 0x80, 4);
	put_e820(p, 0x80, 24, 4);
	save("multiboot", p, 0x260);

	memset(p, 0, sizeof p);
	put(p, 0, 0xa8, 4);
	put(p, 8, 1, 4);
	put(p, 12, 8 + 7, 4);
	memcpy(p + 16, "a -- b", 7);
	put(p, 24, 3, 4);
	put(p, 28, 17, 4);
	put(p, 32, FUZZ_AT + 0x240, 4);
	put(p, 36, FUZZ_AT + 0x248, 4);
	put(p, 48, 6, 4);
	put(p, 52, 16 + 4 * 24, 4);
	put(p, 56, 24, 4);
	put_e820(p, 64, 24, 0);
	put(p, 0xa4, 8, 4);
	save("multiboot2", p, 0x260);

	memset(p, 0, sizeof p);
	put(p, 0, 0x336ec578, 4);
	put(p, 4, 1, 4);
	put(p, 12, 1, 4);
	put(p, 16, FUZZ_AT + 0x180, 8);
	put(p, 0x180, FUZZ_AT + 0x240, 8);
	put(p, 0x188, 8, 8);
	put(p, 24, FUZZ_AT + 0x1c0, 8);
	memcpy(p + 0x1c0, "a -- virtio_mmio.device=512@0xfeb00e00:12", 42);
	put(p, 40, FUZZ_AT + 0x80, 8);
	put(p, 48, 4, 4);
	put_e820(p, 0x80, 24, 0);
	save("pvh", p, 0x260);

	memset(p, 0, sizeof p);
	put(p, 0x1e8, 4, 1);
	put(p, 0x1fe, 0xaa55, 2);
	memcpy(p + 0x202, "HdrS", 4);
	put(p, 0x218, FUZZ_AT + 0x800, 4);
	put(p, 0x21c, 8, 4);
	put(p, 0x228, FUZZ_AT + 0x780, 4);
	put(p, 0x238, 16, 4);
	memcpy(p + 0x780, "-freq 100 -- a", 14);
	put_e820(p, 0x2d0, 20, 0);
	save("linux64", p, sizeof p);
}

static void uefi(void)
{
	uint8_t p[8 + 3 * 48] = { 48 };
	static const uint8_t types[] = { 7, 4, 11 };
	for (size_t i = 0; i < countof(types); i++) {
		put(p, 8 + 48 * i, types[i], 4);
		put(p, 8 + 48 * i + 8, i << 20, 8);
		put(p, 8 + 48 * i + 24, 0x100, 8);
	}
	save("uefi_map", p, sizeof p);
	const char text[] = "\1hermit.efi initrd=\\a\\b -- \"x\" initrd=y";
	uint8_t options[2 * sizeof text] = { 1 };
	for (size_t i = 1; i < sizeof text; i++)
		options[2 * i - 1] = (uint8_t)text[i];
	save("uefi_options", options, 2 * sizeof text - 1);
}

static void tree_device(const char *name, const char *compatible)
{
	tree_node(name);
	tree_text("compatible", compatible);
	tree_cells("reg", 4, 0, 0x9000000, 0, 0x1000);
	tree_end_node();
}

static void devicetree(void)
{
	size_t n;
	tree_begin();
	tree_reserve(0x48000000, 0x1000);
	tree_node("");
	tree_cells("#address-cells", 1, 2);
	tree_cells("#size-cells", 1, 2);
	tree_device("uart@9000000", "arm,pl011");
	tree_node("psci");
	tree_text("compatible", "arm,psci-1.0");
	tree_text("method", "smc");
	tree_end_node();
	tree_node("memory@40000000");
	tree_text("device_type", "memory");
	tree_cells("reg", 4, 0, 0x40000000, 0, 0x8000000);
	tree_end_node();
	tree_node("cpus");
	tree_cells("#address-cells", 1, 1);
	tree_cells("#size-cells", 1, 0);
	tree_node("cpu@1");
	tree_cells("reg", 1, 1);
	tree_text("mmu-type", "riscv,sv39");
	tree_end_node();
	tree_end_node();
	tree_node("reserved-memory");
	tree_cells("#address-cells", 1, 2);
	tree_cells("#size-cells", 1, 2);
	tree_node("a@44000000");
	tree_cells("reg", 4, 0, 0x44000000, 0, 0x1000);
	tree_end_node();
	tree_end_node();
	tree_node("chosen");
	tree_text("bootargs", "a -- b");
	tree_text("stdout-path", "/uart@9000000");
	tree_cells("linux,initrd-start", 1, 0x45000000);
	tree_cells("linux,initrd-end", 1, 0x45001000);
	tree_end_node();
	tree_end_node();
	uint8_t *blob = tree_done(0, &n);
	save("devicetree", blob, n);
	free(blob);
}

// A node with `count` ranges of `size` bytes, 0x2000 bytes apart.
static void tree_ranges(const char *name, uint32_t at, unsigned count, uint32_t size)
{
	uint8_t reg[8 * 160];
	for (unsigned i = 0; i < count; i++) {
		store_u32(reg + 8 * (size_t)i, at + i * 0x2000, ORDER_BIG);
		store_u32(reg + 8 * (size_t)i + 4, size, ORDER_BIG);
	}
	tree_node(name);
	tree_bytes("reg", reg, 8 * (size_t)count);
	tree_end_node();
}

// More ranges than a set holds: of RAM, of reservations, or of what is left of RAM.
static void many_ranges(const char *name, unsigned ram, uint32_t ram_size, unsigned reserved)
{
	size_t n;
	tree_begin();
	tree_node("");
	tree_cells("#address-cells", 1, 1);
	tree_cells("#size-cells", 1, 1);
	tree_ranges("memory@0", 0, ram, ram_size);
	tree_node("test@100000");
	tree_text("compatible", "sifive,test0");
	tree_cells("reg", 2, 0x100000, 0x1000);
	tree_end_node();
	tree_node("reserved-memory");
	tree_cells("#address-cells", 1, 1);
	tree_cells("#size-cells", 1, 1);
	tree_ranges("r", 0x1000, reserved, 0x800);
	tree_end_node();
	tree_end_node();
	uint8_t *blob = tree_done(0, &n);
	save_as("devicetree", name, blob, n);
	free(blob);
}

static void elf(void)
{
	const struct elf_spec spec = elf_default();
	uint8_t *file = elf_write(&spec), notes[1 + ELF_NOTE_BYTES] = { 0 };
	save("elf", file, spec.size);
	memcpy(notes + 1, spec.notes, spec.notes_size);
	save("notes", notes, 1 + spec.notes_size);
	free(file);
	// All dynamic entries, and one addend changed.
	static const uint8_t relocations[] = { 17, 2, 8 };
	uint8_t bytes[1 + 9] = { relocations[0], relocations[1], relocations[2] };
	save("relocations", bytes, sizeof bytes);
	static const char line[] = "loader loader.log=debug \"loader.x=y\" -- loader.log=z";
	save("cmdline", line, sizeof line - 1);
	static const char toml[] = "\2input = { kernel = \"/h\" }\nkernel_args = [\"a\"]\n";
	save("image", toml, sizeof toml - 1);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seeds DIRECTORY\n");
		return 2;
	}
	directory = argv[1];
	mkdir(directory, 0777);
	start_information();
	uefi();
	devicetree();
	many_ranges("many-ram", 140, 0x1000, 1);
	many_ranges("many-reserved", 1, 0x10000000, 140);
	many_ranges("many-pieces", 1, 0x10000000, 128);
	elf();
	return 0;
}
