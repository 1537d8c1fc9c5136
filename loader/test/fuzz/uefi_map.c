// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The UEFI memory map, at the start and at the exit of boot services. Input: the size of an entry
// (8 bytes), then the map.
#include "proto/uefi/firmware.h"
#include "proto/uefi/machine.h"
#include "test/fuzz/fuzz.h"

const uint64_t machine_reach = GIB(4);

static struct span map;
static uint64_t stride;
static uint8_t *pages;

static efi_status EFIAPI get_map(uint64_t *size, void *out, uint64_t *key, uint64_t *step,
				 uint32_t *version)
{
	const bool fits = map.n <= *size;
	*size = map.n;
	*key = 1;
	*step = stride;
	*version = 1;
	if (!fits)
		return EFI_BUFFER_TOO_SMALL;
	if (map.n != 0)
		memcpy(out, map.p, map.n);
	return EFI_SUCCESS;
}

static efi_status EFIAPI allocate(uint32_t how, uint32_t type, uint64_t count, uint64_t *address)
{
	(void)how;
	(void)type;
	pages = malloc(count * PAGE_SIZE);
	*address = (uint64_t)pages;
	return EFI_SUCCESS;
}

static efi_status EFIAPI leave(efi_handle image, uint64_t key)
{
	(void)image;
	return key == 1 ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

static efi_status EFIAPI watchdog(uint64_t seconds, uint64_t code, uint64_t size,
				  const uint16_t *data)
{
	(void)data;
	return seconds + code + size != 0 ? EFI_INVALID_PARAMETER : EFI_SUCCESS;
}

static bool has(uint64_t address)
{
	for (size_t at = 0; at < map.n && map.n - at >= 40; at += stride) {
		const uint64_t start = load_u64(map.p + at + 8, ORDER_LITTLE),
			       size = load_u64(map.p + at + 24, ORDER_LITTLE) * PAGE_SIZE;
		if (load_u32(map.p + at, ORDER_LITTLE) == 7 && start + size >= start &&
		    address >= start && address - start < size)
			return true;
	}
	return false;
}

// Conventional memory (type 7) and nothing else is free.
static void check(const struct range_set *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		FUZZ_CHECK(has(set->ranges[i].start) && has(set->ranges[i].end - 1));
		FUZZ_CHECK(!has(set->ranges[i].start - 1) && !has(set->ranges[i].end));
	}
	for (size_t at = 0; at < map.n && map.n - at >= 40; at += stride) {
		const uint64_t start = load_u64(map.p + at + 8, ORDER_LITTLE);
		if (has(start))
			FUZZ_CHECK(range_set_contains(set, (struct range){ start, start + 1 }));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct efi_boot_services services = { .get_memory_map = get_map,
						     .allocate_pages = allocate,
						     .exit_boot_services = leave,
						     .set_watchdog_timer = watchdog };
	static struct efi_system_table table = { .boot = &services };
	static struct boot boot;
	if (n < 8)
		return 0;
	stride = load_u64(data, ORDER_LITTLE);
	map = (struct span){ data + 8, n - 8 };
	boot = (struct boot){ .mappable = { 0, 0 } };
	console_open();
	firmware_open(NULL, &table);
	if (firmware_memory(&boot) == STATUS_OK) {
		check(&boot.usable);
		for (uint32_t i = 0; i < boot.usable.count; i++)
			(void)firmware_memory_type(boot.usable.ranges[i].end);
		if (firmware_exit_boot_services(&boot) == STATUS_OK)
			FUZZ_CHECK(boot.ram.count != 0);
	}
	free(pages);
	pages = NULL;
	return 0;
}
