// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "test/fake_uefi.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/span.h"
#include "proto/uefi/machine.h"

enum { PAGES = FAKE_UEFI_RAM / PAGE_SIZE, FILES_MAX = 4 };
#define EFI_OUT_OF_RESOURCES (EFI_ERROR_BIT | 9)
#define EFI_DEVICE_ERROR (EFI_ERROR_BIT | 7)

noreturn void uefi_start(efi_handle image, struct efi_system_table *system);

// The linker script's.
__asm__(".pushsection .bss\n.globl loader_start, loader_end\nloader_start: .skip "
	"4096\nloader_end:\n.popsection");

struct open_file {
	struct efi_file calls; // first: what the loader sees
	const struct fake_uefi_file *file;
	uint64_t position;
};

static struct {
	struct fake_uefi what;
	struct fake_uefi_outcome outcome;
	uint8_t *ram;
	uint8_t type[PAGES];
	uint64_t key;
	unsigned allocations, maps;
	bool leaving, left, changed;
	struct efi_system_table system;
	struct efi_boot_services boot;
	struct efi_text_output console;
	struct efi_loaded_image image;
	struct efi_file_system volume;
	struct efi_load_file2 offer;
	struct open_file root;
} firmware;

// ---- memory

static uint8_t *page(uint64_t i)
{
	return firmware.ram + i * PAGE_SIZE;
}

static void use_service(bool memory)
{
	if (firmware.left || (firmware.leaving && !memory))
		firmware.outcome.misuse++;
}

static void set_type(uint64_t first, uint64_t count, uint8_t type)
{
	memset(firmware.type + first, type, count);
	firmware.key++;
	if (type == EFI_LOADER_CODE || type == EFI_LOADER_DATA)
		fake_unpoison(page(first), count * PAGE_SIZE);
	else
		fake_poison(page(first), count * PAGE_SIZE);
}

static void set_special_page(uint8_t type)
{
	if (firmware.what.page.at != 0)
		set_type((firmware.what.page.at - FAKE_UEFI_RAM_AT) / PAGE_SIZE, 1, type);
}

static bool all_are(uint64_t first, uint64_t count, uint8_t type)
{
	if (first > PAGES || count > PAGES - first)
		return false;
	for (uint64_t i = first; i < first + count; i++)
		if (firmware.type[i] != type)
			return false;
	return true;
}

// From the top, as EDK II does.
static efi_status EFIAPI allocate_pages(uint32_t how, uint32_t type, uint64_t pages,
					uint64_t *address)
{
	use_service(true);
	if (firmware.allocations++ >= firmware.what.allocations || pages > PAGES)
		return EFI_OUT_OF_RESOURCES;
	uint64_t most = how == EFI_ALLOCATE_MAX_ADDRESS &&
					*address < FAKE_UEFI_RAM_AT + FAKE_UEFI_RAM
				? (*address + 1 - FAKE_UEFI_RAM_AT) / PAGE_SIZE
				: PAGES;
	uint64_t first = how == EFI_ALLOCATE_ADDRESS ? (*address - FAKE_UEFI_RAM_AT) / PAGE_SIZE
						     : most - pages;
	while (how != EFI_ALLOCATE_ADDRESS && first > 0 &&
	       !all_are(first, pages, EFI_CONVENTIONAL_MEMORY))
		first--;
	if (!all_are(first, pages, EFI_CONVENTIONAL_MEMORY))
		return EFI_NOT_FOUND;
	set_type(first, pages, (uint8_t)type);
	firmware.outcome.misuse += FAKE_UEFI_RAM_AT + (first + pages) * PAGE_SIZE > FAKE_UEFI_REACH;
	firmware.outcome.pages += pages;
	*address = FAKE_UEFI_RAM_AT + first * PAGE_SIZE;
	return EFI_SUCCESS;
}

static efi_status EFIAPI free_pages(uint64_t address, uint64_t pages)
{
	uint64_t first = (address - FAKE_UEFI_RAM_AT) / PAGE_SIZE;
	use_service(true);
	if (address % PAGE_SIZE != 0 ||
	    (!all_are(first, pages, EFI_LOADER_CODE) && !all_are(first, pages, EFI_LOADER_DATA))) {
		firmware.outcome.misuse++;
		return EFI_NOT_FOUND;
	}
	set_type(first, pages, EFI_CONVENTIONAL_MEMORY);
	firmware.outcome.pages -= pages;
	return EFI_SUCCESS;
}

static efi_status EFIAPI get_memory_map(uint64_t *size, void *map, uint64_t *key, uint64_t *stride,
					uint32_t *version)
{
	uint64_t used = 0;
	use_service(true);
	if (firmware.maps++ >= firmware.what.map_calls)
		return EFI_DEVICE_ERROR;
	for (uint64_t i = 0, n; i < PAGES; i += n) {
		struct efi_memory_descriptor d = { .type = firmware.type[i],
						   .start = FAKE_UEFI_RAM_AT + i * PAGE_SIZE };
		for (n = 1; i + n < PAGES && firmware.type[i + n] == d.type; n++)
			;
		d.pages = n;
		if (used + firmware.what.map_stride <= *size && map != NULL)
			memcpy((uint8_t *)map + used, &d,
			       sizeof d < firmware.what.map_stride ? sizeof d
								   : firmware.what.map_stride);
		used += firmware.what.map_stride;
	}
	bool fits = map != NULL && used <= *size;
	*size = used;
	*key = firmware.key;
	*stride = firmware.what.map_stride;
	*version = 1;
	return fits ? EFI_SUCCESS : EFI_BUFFER_TOO_SMALL;
}

static efi_status EFIAPI exit_boot_services(efi_handle image, uint64_t key)
{
	use_service(true);
	firmware.leaving = true;
	if (image != &firmware)
		firmware.outcome.misuse++;
	if (firmware.outcome.exits++ < firmware.what.stale)
		set_type(FAKE_UEFI_RESERVED_PAGES + FAKE_UEFI_FREED_PAGES * firmware.outcome.exits,
			 FAKE_UEFI_FREED_PAGES, EFI_CONVENTIONAL_MEMORY);
	else if (!firmware.changed)
		// A handler that the first call runs.
		firmware.changed = true, set_special_page(firmware.what.page.after);
	if (key != firmware.key)
		return EFI_INVALID_PARAMETER;
	firmware.left = true;
	return EFI_SUCCESS;
}

// ---- console, watchdog

static efi_status EFIAPI output_string(struct efi_text_output *self, const uint16_t *text)
{
	if (firmware.left || self != &firmware.console)
		firmware.outcome.misuse++;
	for (; *text != 0; text++) {
		char c = (char)*text;
		if (c != '\r')
			fake_platform.write(&c, 1);
	}
	return EFI_SUCCESS;
}

static efi_status EFIAPI set_watchdog_timer(uint64_t seconds, uint64_t code, uint64_t size,
					    const uint16_t *data)
{
	(void)code, (void)size, (void)data;
	use_service(false);
	firmware.outcome.watchdog = seconds != 0;
	return EFI_SUCCESS;
}

// ---- files

static struct open_file *opened(struct efi_file *file)
{
	return (struct open_file *)file;
}

static efi_status EFIAPI close_file(struct efi_file *file)
{
	firmware.outcome.open_files--;
	if (file != &firmware.root.calls)
		free(file);
	return EFI_SUCCESS;
}

static efi_status EFIAPI read_file(struct efi_file *self, uint64_t *size, void *out)
{
	struct open_file *open = opened(self);
	const struct fake_uefi_file *file = open->file;
	uint64_t left = file->data.n - open->position;
	uint64_t n = *size < left ? *size : left;
	if (file->once != 0 && n > file->once)
		n = file->once;
	if (file->read != EFI_SUCCESS)
		return file->read;
	memcpy(out, file->data.p + open->position, n);
	open->position += n;
	*size = n;
	return EFI_SUCCESS;
}

static efi_status EFIAPI get_position(struct efi_file *self, uint64_t *position)
{
	*position = opened(self)->position;
	return EFI_SUCCESS;
}

static efi_status EFIAPI set_position(struct efi_file *self, uint64_t position)
{
	struct open_file *open = opened(self);
	open->position = position < open->file->data.n ? position : open->file->data.n;
	return EFI_SUCCESS;
}

static bool is_path(const uint16_t *path, const char *text)
{
	while (*text != '\0' && *path == (uint8_t)*text)
		path++, text++;
	return *path == 0 && *text == '\0';
}

static efi_status EFIAPI open_file(struct efi_file *root, struct efi_file **out,
				   const uint16_t *path, uint64_t mode, uint64_t attributes)
{
	(void)attributes;
	if (root != &firmware.root.calls || mode != EFI_FILE_MODE_READ)
		firmware.outcome.misuse++;
	for (size_t i = 0; i < firmware.what.file_count; i++) {
		const struct fake_uefi_file *file = &firmware.what.file[i];
		if (!is_path(path, file->path))
			continue;
		if (file->open != EFI_SUCCESS)
			return file->open;
		struct open_file *open = malloc(sizeof *open);
		*open = (struct open_file){ .calls = firmware.root.calls, .file = file };
		firmware.outcome.open_files++;
		*out = &open->calls;
		return EFI_SUCCESS;
	}
	return EFI_NOT_FOUND;
}

static efi_status EFIAPI open_volume(struct efi_file_system *self, struct efi_file **root)
{
	(void)self;
	if (firmware.what.no_volume)
		return EFI_DEVICE_ERROR;
	firmware.outcome.open_files++;
	*root = &firmware.root.calls;
	return EFI_SUCCESS;
}

static efi_status EFIAPI load_file(struct efi_load_file2 *self, const struct efi_device_path *path,
				   bool boot_policy, uint64_t *size, void *out)
{
	const struct span *offered = &firmware.what.offered;
	if (self != &firmware.offer || path->type != 0x7f || boot_policy)
		firmware.outcome.misuse++;
	if (out == NULL) {
		*size = offered->n;
		return firmware.what.offered_size;
	}
	if (*size >= offered->n)
		memcpy(out, offered->p, offered->n);
	return firmware.what.offered_data;
}

// ---- protocols. A handle is the address of its object.

static bool is_guid(const struct efi_guid *guid, uint32_t first)
{
	return guid->a == first;
}

static efi_status EFIAPI handle_protocol(efi_handle handle, const struct efi_guid *guid,
					 void **interface)
{
	use_service(false);
	if (handle == &firmware && is_guid(guid, 0x5b1b31a1) && !firmware.what.no_loaded_image)
		*interface = &firmware.image;
	else if (handle == &firmware && is_guid(guid, 0x752f3136) && firmware.what.shell)
		*interface = &firmware.what;
	else if (handle == &firmware.volume && is_guid(guid, 0x964e5b22))
		*interface = &firmware.volume;
	else if (handle == &firmware.offer && is_guid(guid, 0x4006c0c1))
		*interface = &firmware.offer;
	else
		return EFI_NOT_FOUND;
	return EFI_SUCCESS;
}

// Linux, drivers/firmware/efi/libstub: vendor media device path LINUX_EFI_INITRD_MEDIA_GUID.
static efi_status EFIAPI locate_device_path(const struct efi_guid *guid,
					    const struct efi_device_path **path, efi_handle *handle)
{
	static const uint8_t wanted[] = { 4,    3,    20,   0,    0x27, 0xe4, 0x68,
					  0x55, 0xfc, 0x68, 0x3d, 0x4f, 0xac, 0x74,
					  0xca, 0x55, 0x52, 0x31, 0xcc, 0x68 };
	use_service(false);
	if (firmware.what.offered.p == NULL || !is_guid(guid, 0x4006c0c1) ||
	    memcmp(*path, wanted, sizeof wanted) != 0)
		return EFI_NOT_FOUND;
	*path = (const struct efi_device_path *)((const uint8_t *)*path + sizeof wanted);
	*handle = &firmware.offer;
	return EFI_SUCCESS;
}

// ---- machine.h

const uint64_t machine_reach = FAKE_UEFI_REACH;

enum status machine_open(struct boot *boot)
{
	boot->elf_target = &elf_target_x86_64;
	boot->serial = 0x3f8;
	firmware.outcome.exceptions = true;
	return STATUS_OK;
}

void machine_close(void)
{
	firmware.outcome.exceptions = false;
}

void machine_take_over(const struct boot *boot, const struct era *era)
{
	(void)era;
	(void)boot;
	if (!firmware.left)
		firmware.outcome.misuse++;
}

void machine_write(const char *text, size_t n)
{
	fake_platform.write(text, n);
}

noreturn void machine_stop(unsigned number)
{
	firmware.outcome.end = FAKE_UEFI_STOPPED;
	firmware.outcome.number = number;
	fake_platform.stop(STATUS_OK);
}

noreturn void efi_return(uint64_t status)
{
	firmware.outcome.end = FAKE_UEFI_RETURNED;
	firmware.outcome.returned = status;
	fake_platform.stop(STATUS_OK);
}

// ---- runs

static void open_memory(void)
{
	if (firmware.ram == NULL) {
		firmware.ram = mmap((void *)FAKE_UEFI_RAM_AT, FAKE_UEFI_RAM, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (firmware.ram != (void *)FAKE_UEFI_RAM_AT) {
			perror("mmap");
			exit(2);
		}
	}
	set_type(0, PAGES, EFI_CONVENTIONAL_MEMORY);
	set_type(0, FAKE_UEFI_RESERVED_PAGES, 0);
	set_type(FAKE_UEFI_RESERVED_PAGES, FAKE_UEFI_SERVICE_PAGES, EFI_BOOT_SERVICES_DATA);
	set_special_page(firmware.what.page.type);
}

static void open_services(void)
{
	struct efi_boot_services *boot = &firmware.boot;
	boot->allocate_pages = allocate_pages;
	boot->free_pages = free_pages;
	boot->get_memory_map = get_memory_map;
	boot->handle_protocol = handle_protocol;
	boot->locate_device_path = locate_device_path;
	boot->exit_boot_services = exit_boot_services;
	boot->set_watchdog_timer = set_watchdog_timer;
	firmware.console.output_string = output_string;
	firmware.volume.open_volume = open_volume;
	firmware.offer.load_file = load_file;
	firmware.root.calls = (struct efi_file){ .open = open_file,
						 .close = close_file,
						 .read = read_file,
						 .get_position = get_position,
						 .set_position = set_position };
	firmware.image = (struct efi_loaded_image){
		.device = &firmware.volume,
		.options_size = (uint32_t)firmware.what.options.n,
		.options = firmware.what.options.p
	};
	firmware.system = (struct efi_system_table){ .console_out = &firmware.console,
						     .boot = boot,
						     .table_count = firmware.what.table_count,
						     .tables = firmware.what.table };
}

static void start(void *context)
{
	(void)context;
	uefi_start(&firmware, &firmware.system);
}

struct fake_uefi fake_uefi_default(void)
{
	return (struct fake_uefi){ .offered_size = EFI_BUFFER_TOO_SMALL,
				   .allocations = UINT32_MAX,
				   .map_calls = UINT32_MAX,
				   .map_stride = 48 };
}

void fake_uefi_add(struct fake_uefi *uefi, const char *path, const void *bytes, size_t n)
{
	if (uefi->file_count == FILES_MAX)
		abort();
	uefi->file[uefi->file_count++] = (struct fake_uefi_file){ .path = path,
								  .data = { bytes, n } };
}

void fake_uefi_options(struct fake_uefi *uefi, const char *text)
{
	static uint8_t options[1 << 10];
	size_t n = strlen(text) + 1;
	if (2 * n > sizeof options)
		abort();
	for (size_t i = 0; i < n; i++)
		store_u16(options + 2 * i, (uint8_t)text[i], ORDER_LITTLE);
	uefi->options = (struct span){ options, 2 * n };
}

const struct fake_uefi_outcome *fake_uefi_boot(const struct fake_uefi *uefi)
{
	struct fake_uefi_outcome *outcome = &firmware.outcome;
	uint8_t *ram = firmware.ram;
	memset(&firmware, 0, sizeof firmware);
	firmware.ram = ram;
	firmware.what = *uefi;
	firmware.outcome.watchdog = true;
	open_memory();
	open_services();
	console_open();
	const struct fake_outcome *ended = fake_run(start, NULL);
	if (ended->end == FAKE_HANDED_OVER) {
		outcome->end = FAKE_UEFI_HANDED_OVER;
		outcome->handover = &ended->handover;
		outcome->misuse += !firmware.left;
	}
	return outcome;
}
