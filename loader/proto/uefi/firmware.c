// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Memory, console and exit of boot services, with a record of every allocation.
#include "proto/uefi/firmware.h"

#include "core/log.h"
#include "core/panic.h"
#include "proto/uefi/machine.h"

struct efi_system_table *efi_system;
efi_handle efi_image;

// The loader makes about ten allocations.
#define OWNED_MAX 16
// Calls of ExitBootServices. Two suffice, as handlers that change the map run at the first one.
#define EXIT_TRIES 8
// More ranges of RAM that the final map may have. The hand-over block has room for them.
#define RAM_SLACK 16U
// The allocation for the memory map may itself add entries to it.
#define MAP_SLACK KIB(4)

// Results of GetMemoryMap (7.2.3). `stride` is the size of an entry.
struct memory_map {
	uint64_t size, key, stride;
};

static struct state {
	struct efi_boot_services *boot;
	// Everything that was allocated or claimed.
	uint32_t owned_count;
	struct range owned[OWNED_MAX];
	// The buffer of the memory map, and its size in bytes.
	uint8_t *map;
	uint64_t map_room;
	// As firmware_memory() read it.
	struct memory_map first;
	bool exited;
} state;

void firmware_open(efi_handle image, struct efi_system_table *system)
{
	efi_image = image;
	efi_system = system;
	state = (struct state){ .boot = system->boot };
	// The watchdog would reset the machine five minutes after the loader's start (7.5.1).
	state.boot->set_watchdog_timer(0, 0, 0, NULL);
}

void firmware_write(const char *text, size_t n)
{
	uint16_t buffer[64];
	size_t used = 0;
	for (size_t i = 0; i < n; i++) {
		// Room for \r, \n and NUL.
		if (used > countof(buffer) - 3) {
			buffer[used] = 0;
			efi_system->console_out->output_string(efi_system->console_out, buffer);
			used = 0;
		}
		if (text[i] == '\n')
			buffer[used++] = '\r';
		buffer[used++] = (uint8_t)text[i] < 0x80 ? (uint8_t)text[i] : '?';
	}
	buffer[used] = 0;
	efi_system->console_out->output_string(efi_system->console_out, buffer);
}

static bool record(uint64_t address, uint64_t pages)
{
	if (state.owned_count == OWNED_MAX)
		return false;
	state.owned[state.owned_count++] = (struct range){ address, address + pages * PAGE_SIZE };
	return true;
}

void *firmware_allocate_below(uint64_t limit, uint64_t size, uint32_t type)
{
	// EFI_ALLOCATE_MAX_ADDRESS: the last byte is at most at `address`.
	uint64_t address = limit - 1, pages = align_up(size == 0 ? 1 : size, PAGE_SIZE) / PAGE_SIZE;
	if (state.boot->allocate_pages(EFI_ALLOCATE_MAX_ADDRESS, type, pages, &address) !=
	    EFI_SUCCESS)
		return NULL;
	ASSERT(record(address, pages));
	return (void *)address;
}

void *firmware_allocate(uint64_t size, uint32_t type)
{
	return firmware_allocate_below(machine_reach, size, type);
}

enum status firmware_claim(struct range r)
{
	uint64_t address = align_down(r.start, PAGE_SIZE),
		 pages = (align_up(r.end, PAGE_SIZE) - address) / PAGE_SIZE;
	// Code: the block has the trampoline, and firmware may map data as not executable.
	efi_status status = state.boot->allocate_pages(EFI_ALLOCATE_ADDRESS, EFI_LOADER_CODE, pages,
						       &address);
	if (status != EFI_SUCCESS)
		return refuse(STATUS_FIRMWARE_REFUSED,
			      "AllocatePages returned %#lx for %lu pages at %#lx", status, pages,
			      address);
	ASSERT(record(address, pages));
	return STATUS_OK;
}

void firmware_free_all(void)
{
	while (state.owned_count > 0) {
		struct range r = state.owned[--state.owned_count];
		state.boot->free_pages(r.start, range_size(r) / PAGE_SIZE);
	}
	// It was one of them.
	state.map = NULL;
}

void *firmware_protocol(efi_handle handle, const struct efi_guid *guid)
{
	void *interface = NULL;
	if (state.boot->handle_protocol(handle, guid, &interface) != EFI_SUCCESS)
		return NULL;
	return interface;
}

const void *firmware_table(const struct efi_guid *guid)
{
	for (uint64_t i = 0; i < efi_system->table_count; i++)
		if (memcmp(&efi_system->tables[i].guid, guid, sizeof *guid) == 0)
			return efi_system->tables[i].table;
	return NULL;
}

static efi_status get_map(struct memory_map *map)
{
	uint32_t version;
	map->size = state.map_room;
	return state.boot->get_memory_map(&map->size, state.map, &map->key, &map->stride, &version);
}

// Entries are `stride` bytes apart, which may leave them unaligned.
static struct efi_memory_descriptor descriptor(uint64_t at)
{
	struct efi_memory_descriptor d;
	memcpy(&d, state.map + at, sizeof d);
	return d;
}

// A stride near 2^64 must not wrap `at`: the comparison with the size comes first.
static bool has_descriptor(const struct memory_map *map, uint64_t at)
{
	return at < map->size && map->size - at >= sizeof(struct efi_memory_descriptor);
}

// Memory types that are free after ExitBootServices (7.2.1): the loader's and those of boot
// services as well. The core keeps what it still needs.
static bool free_after_exit(uint32_t type)
{
	return type == EFI_LOADER_CODE || type == EFI_LOADER_DATA ||
	       type == EFI_BOOT_SERVICES_CODE || type == EFI_BOOT_SERVICES_DATA ||
	       type == EFI_CONVENTIONAL_MEMORY;
}

static enum status read_map(const struct memory_map *map, struct boot *boot)
{
	boot->usable.count = boot->ram.count = 0;
	for (uint64_t at = 0; has_descriptor(map, at); at += map->stride) {
		struct efi_memory_descriptor d = descriptor(at);
		struct range r = { d.start, d.start + d.pages * PAGE_SIZE };
		enum status status = STATUS_OK;
		if (r.end > boot->mappable.end)
			boot->mappable.end = r.end;
		if (free_after_exit(d.type))
			status = range_set_add(&boot->ram, r);
		if (status == STATUS_OK && d.type == EFI_CONVENTIONAL_MEMORY)
			status = range_set_add(&boot->usable, r);
		if (status != STATUS_OK)
			return refuse(
				status,
				"the firmware's memory map has more than %u ranges of free RAM",
				RANGE_SET_MAX);
	}
	if (boot->usable.count == 0)
		return refuse(STATUS_MEMORY_MAP_EMPTY, "the firmware's memory map has no free RAM");
	return STATUS_OK;
}

enum status firmware_memory(struct boot *boot)
{
	struct memory_map map;
	efi_status status = get_map(&map);
	if (status == EFI_BUFFER_TOO_SMALL) {
		uint64_t room = align_up(map.size + MAP_SLACK, PAGE_SIZE);
		state.map = firmware_allocate(room, EFI_LOADER_DATA);
		if (state.map == NULL)
			return refuse(STATUS_FIRMWARE_REFUSED,
				      "cannot allocate %#lx bytes for the memory map", room);
		state.map_room = room;
		status = get_map(&map);
	}
	if (status != EFI_SUCCESS)
		return refuse(STATUS_FIRMWARE_REFUSED, "GetMemoryMap returned %#lx", status);
	if (map.stride < sizeof(struct efi_memory_descriptor))
		return refuse(STATUS_MEMORY_MAP_MALFORMED,
			      "the firmware's memory map has entries of %lu bytes", map.stride);
	TRY(read_map(&map, boot));
	state.first = map;
	boot->ram_slack = RANGE_SET_MAX - boot->ram.count < RAM_SLACK
				  ? RANGE_SET_MAX - boot->ram.count
				  : RAM_SLACK;
	return STATUS_OK;
}

enum status firmware_exit_boot_services(struct boot *boot)
{
	struct memory_map map;
	uint32_t most = boot->ram.count + boot->ram_slack;
	efi_status status = EFI_INVALID_PARAMETER;
	// 7.4.6: the first call may run handlers that change the map, which makes its key invalid.
	// Afterwards UEFI 2.9 and later allow memory allocation services, and earlier versions only
	// GetMemoryMap. The stricter rule holds here: nothing is allocated, hence MAP_SLACK.
	for (unsigned i = 0; i < EXIT_TRIES && status != EFI_SUCCESS; i++) {
		status = get_map(&map);
		if (status != EFI_SUCCESS)
			return refuse(STATUS_FIRMWARE_REFUSED,
				      "GetMemoryMap returned %#lx while leaving", status);
		status = state.boot->exit_boot_services(efi_image, map.key);
	}
	if (status != EFI_SUCCESS)
		return refuse(STATUS_FIRMWARE_REFUSED, "ExitBootServices returned %#lx %u times",
			      status, EXIT_TRIES);
	// From here on the console is the machine's.
	state.exited = true;
	TRY(read_map(&map, boot));
	if (boot->ram.count > most)
		return refuse(STATUS_MEMORY_MAP_TOO_LONG,
			      "the firmware left %u ranges of RAM, expected at most %u",
			      boot->ram.count, most);
	// Nothing is placed any more: the map is only what the kernel may use.
	boot->usable = boot->ram;
	return STATUS_OK;
}

bool firmware_boot_services_exited(void)
{
	return state.exited;
}

const char *firmware_memory_type(uint64_t address)
{
	// EFI_MEMORY_TYPE (7.2.1), in the words of the specification.
	static const char names[][32] = { "reserved",
					  "loader code",
					  "loader data",
					  "boot services code",
					  "boot services data",
					  "runtime services code",
					  "runtime services data",
					  "conventional memory",
					  "unusable memory",
					  "ACPI reclaim memory",
					  "ACPI memory NVS",
					  "memory-mapped I/O",
					  "memory-mapped I/O port space",
					  "PAL code",
					  "persistent memory",
					  "unaccepted memory" };
	for (uint64_t at = 0; has_descriptor(&state.first, at); at += state.first.stride) {
		struct efi_memory_descriptor d = descriptor(at);
		if (address >= d.start && (address - d.start) / PAGE_SIZE < d.pages)
			return d.type < countof(names) ? names[d.type]
						       : "of a type of this firmware";
	}
	return "not in the firmware's memory map";
}
