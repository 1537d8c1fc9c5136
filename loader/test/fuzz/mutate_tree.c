// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Mutates a device tree by its structure: the structure block is changed token by token, and the
// blocks are laid out again, so that the result stays a tree most of the time.
#include "test/fuzz/fuzz.h"
#include "test/test.h"

enum { HEADER = 40, TOKENS = 1024, ROOM = 1 << 16, STRINGS = 4096 };

static const char *const names[] = { "reg",
				     "compatible",
				     "device_type",
				     "status",
				     "bootargs",
				     "stdout-path",
				     "method",
				     "mmu-type",
				     "linux,initrd-start",
				     "linux,initrd-end",
				     "#address-cells",
				     "#size-cells" };
static const char values[][20] = { "\0\0\0\0\x40\0\0\0\0\0\0\0\x08\0\0",
				   "arm,pl011",
				   "ns16550a",
				   "memory",
				   "okay",
				   "disabled",
				   "riscv,sv39",
				   "multiboot,module",
				   "/uart@1000",
				   "arm,psci-1.0",
				   "\0\0\0\1",
				   "\0\0\0\2" };
static const char *const nodes[] = { "chosen",   "cpus",    "cpu@1",           "memory@0",
				     "module@0", "aliases", "reserved-memory", "uart@1000" };

static struct {
	uint8_t structure[ROOM], strings[STRINGS], reserve[1024];
	size_t structure_n, strings_n, reserve_n;
	size_t at[TOKENS + 1], count; // offsets of tokens
	uint64_t random;
} t;

static uint32_t word(const uint8_t *p)
{
	return load_u32(p, ORDER_BIG);
}

static size_t choose(size_t below)
{
	return below == 0 ? 0 : next_random(&t.random) % below;
}

static size_t token_size(size_t at)
{
	const uint32_t kind = word(t.structure + at);
	size_t n = 4;
	if (kind == 1)
		n += (strnlen((const char *)t.structure + at + 4, t.structure_n - at - 4) + 4) &
		     ~(size_t)3;
	if (kind == 3 && t.structure_n - at >= 12)
		n += 8 + (((size_t)word(t.structure + at + 4) + 3) & ~(size_t)3);
	return n;
}

static bool block(uint8_t *to, size_t room, size_t *n, const uint8_t *data, size_t size,
		  uint64_t at, uint64_t length)
{
	if (at > size || length > size - at || length > room)
		return false;
	memcpy(to, data + at, length);
	*n = length;
	return true;
}

static bool parse(const uint8_t *data, size_t n)
{
	if (n < HEADER)
		return false;
	const uint64_t reserve = word(data + 16), structure = word(data + 8);
	if (!block(t.structure, ROOM / 2, &t.structure_n, data, n, structure, word(data + 36)) ||
	    !block(t.strings, STRINGS / 2, &t.strings_n, data, n, word(data + 12),
		   word(data + 32)) ||
	    structure < reserve ||
	    !block(t.reserve, sizeof t.reserve / 2, &t.reserve_n, data, n, reserve,
		   structure - reserve))
		return false;
	t.count = 0;
	for (size_t at = 0; t.structure_n - at >= 4 && t.count < TOKENS;) {
		const size_t size = token_size(at);
		if (size > t.structure_n - at)
			return false;
		t.at[t.count++] = at;
		at += size;
		t.at[t.count] = at;
	}
	return t.count > 2;
}

// Replaces bytes of the structure block by others.
static void splice(size_t at, size_t old, const uint8_t *bytes, size_t n)
{
	if (t.structure_n - old + n > ROOM)
		return;
	memmove(t.structure + at + n, t.structure + at + old, t.structure_n - at - old);
	memmove(t.structure + at, bytes, n);
	t.structure_n = t.structure_n - old + n;
}

static void insert_property(size_t at)
{
	static const uint8_t lengths[] = { 0, 4, 8, 12, 16, 17 };
	const char *name = names[choose(countof(names))], *value = values[choose(countof(values))];
	uint8_t bytes[12 + 20] = { 0 };
	size_t n = value[0] == '\0' ? lengths[choose(countof(lengths))] : strlen(value) + 1;
	if (t.strings_n + strlen(name) + 1 > STRINGS)
		return;
	store_u32(bytes, 3, ORDER_BIG);
	store_u32(bytes + 4, (uint32_t)n, ORDER_BIG);
	store_u32(bytes + 8, (uint32_t)t.strings_n, ORDER_BIG);
	memcpy(bytes + 12, value, n);
	memcpy(t.strings + t.strings_n, name, strlen(name) + 1);
	t.strings_n += strlen(name) + 1;
	splice(at, 0, bytes, 12 + ((n + 3) & ~(size_t)3));
}

static void insert_node(size_t at)
{
	const char *name = nodes[choose(countof(nodes))];
	uint8_t bytes[4 + 20 + 4] = { 0 };
	const size_t n = 4 + ((strlen(name) + 4) & ~(size_t)3);
	store_u32(bytes, 1, ORDER_BIG);
	memcpy(bytes + 4, name, strlen(name));
	store_u32(bytes + n, 2, ORDER_BIG);
	splice(at, 0, bytes, n + 4);
}

static void change_value(size_t i)
{
	static const uint32_t edges[] = {
		0, 1, 2, 3, 4, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff
	};
	const size_t at = t.at[i], size = t.at[i + 1] - at;
	if (size >= 16)
		store_u32(t.structure + at + 12 + 4 * choose((size - 12) / 4),
			  edges[choose(countof(edges))], ORDER_BIG);
	else
		t.structure[at + choose(size)] ^= (uint8_t)(1U << choose(8));
}

static void mutate(void)
{
	static uint8_t copy[ROOM];
	static const uint8_t nop[] = { 0, 0, 0, 4 };
	const size_t i = choose(t.count), j = i + 1 + choose(t.count - i < 4 ? t.count - i : 4);
	const size_t from = t.at[i], n = t.at[j < t.count ? j : t.count] - from;
	const size_t to = t.at[choose(t.count)];
	switch (choose(9)) {
	case 0:
		splice(from, n, copy, 0);
		return;
	case 1:
		memcpy(copy, t.structure + from, n);
		splice(to, 0, copy, n);
		return;
	case 2:
	case 3:
		insert_property(to);
		return;
	case 4:
		insert_node(to);
		return;
	case 5:
		splice(to, 0, nop, sizeof nop);
		return;
	case 6:
		if (t.reserve_n >= 16)
			t.reserve[choose(t.reserve_n)] ^= (uint8_t)choose(256);
		return;
	default:
		change_value(i);
	}
}

static size_t build(uint8_t *data, size_t room)
{
	const size_t structure = HEADER + t.reserve_n, strings = structure + t.structure_n,
		     size = strings + t.strings_n;
	const uint32_t header[] = { 0xd00dfeed,
				    (uint32_t)size,
				    (uint32_t)structure,
				    (uint32_t)strings,
				    HEADER,
				    17,
				    16,
				    0,
				    (uint32_t)t.strings_n,
				    (uint32_t)t.structure_n };
	if (size > room)
		return 0;
	for (size_t i = 0; i < countof(header); i++)
		store_u32(data + 4 * i, header[i], ORDER_BIG);
	memcpy(data + HEADER, t.reserve, t.reserve_n);
	memcpy(data + structure, t.structure, t.structure_n);
	memcpy(data + strings, t.strings, t.strings_n);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room, unsigned seed)
{
	t.random = (uint64_t)seed << 1 | 1;
	(void)next_random(&t.random);
	if (choose(6) == 0 || !parse(data, n))
		return LLVMFuzzerMutate(data, n, room);
	for (size_t rounds = 1 + choose(3); rounds > 0; rounds--) {
		mutate();
		const size_t size = build(data, room);
		if (size == 0 || !parse(data, size))
			return size != 0 ? size : n;
		n = size;
	}
	return n;
}
