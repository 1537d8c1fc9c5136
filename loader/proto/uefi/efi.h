// SPDX-License-Identifier: Apache-2.0 OR MIT
// The services and structures of UEFI 2.10 that the loader uses, with their layout in memory.
// Unused members are void * of the right size; the assertions name the section. Numbers are
// little-endian, characters UCS-2. The firmware owns every structure and every string.
#pragma once

#include "core/base.h"

// Calling convention of firmware functions: Microsoft's on x86-64 (2.3.4), AAPCS64 on AArch64
// (2.3.6).
#ifdef __x86_64__
#define EFIAPI __attribute__((ms_abi))
#else
#define EFIAPI
#endif

#define EFI_ERROR_BIT (UINT64_C(1) << 63)
#define EFI_OEM_BIT (UINT64_C(1) << 62) // codes outside the specification: appendix D
enum { EFI_SUCCESS = 0 };
#define EFI_INVALID_PARAMETER (EFI_ERROR_BIT | 2)
#define EFI_BUFFER_TOO_SMALL (EFI_ERROR_BIT | 5)
#define EFI_NOT_FOUND (EFI_ERROR_BIT | 14)

typedef uint64_t efi_status;
typedef void *efi_handle;

// Appendix A: a, b and c are little-endian, d is in the order of the text form.
struct efi_guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};

// 7.2.1, EFI_ALLOCATE_TYPE: anywhere, with the last byte at most at `*address`, at `*address`.
enum { EFI_ALLOCATE_ANY_PAGES, EFI_ALLOCATE_MAX_ADDRESS, EFI_ALLOCATE_ADDRESS };
// 7.2.1, EFI_MEMORY_TYPE: the types that are free RAM once boot services have ended.
enum {
	EFI_LOADER_CODE = 1,
	EFI_LOADER_DATA = 2,
	EFI_BOOT_SERVICES_CODE = 3,
	EFI_BOOT_SERVICES_DATA = 4,
	EFI_CONVENTIONAL_MEMORY = 7,
};

// Entries of a map can be longer: GetMemoryMap returns their size. A page has 4 KiB on every CPU.
struct efi_memory_descriptor {
	uint32_t type;
	uint64_t start, virtual_start, pages, attribute;
};
_Static_assert(sizeof(struct efi_memory_descriptor) == 40 &&
		       offsetof(struct efi_memory_descriptor, pages) == 24,
	       "7.2.3, EFI_MEMORY_DESCRIPTOR");

// Header of each node of a device path (10.2). The length includes the header; it can be unaligned.
struct efi_device_path {
	uint8_t type, subtype;
	uint8_t length[2];
};

struct efi_text_output {
	void *reset;
	// `text` ends at a NUL.
	efi_status(EFIAPI *output_string)(struct efi_text_output *, const uint16_t *text);
};
_Static_assert(offsetof(struct efi_text_output, output_string) == 0x08, "12.4");

struct efi_boot_services {
	uint8_t header[24];
	void *raise_tpl, *restore_tpl;
	efi_status(EFIAPI *allocate_pages)(uint32_t how, uint32_t type, uint64_t pages,
					   uint64_t *address);
	efi_status(EFIAPI *free_pages)(uint64_t address, uint64_t pages);
	// `*size`: room at `map` before the call, size of the map after it, also if that is larger.
	// `*stride`: size of an entry. `*key` identifies this state of the map.
	efi_status(EFIAPI *get_memory_map)(uint64_t *size, void *map, uint64_t *key,
					   uint64_t *stride, uint32_t *version);
	void *allocate_pool, *free_pool;
	void *events[6];
	void *install_protocol[3];
	efi_status(EFIAPI *handle_protocol)(efi_handle, const struct efi_guid *, void **interface);
	void *reserved, *register_protocol_notify, *locate_handle;
	// Advances the path past the part that a handle with this protocol has matched.
	efi_status(EFIAPI *locate_device_path)(const struct efi_guid *,
					       const struct efi_device_path **, efi_handle *);
	void *install_configuration_table;
	void *images[4];
	// Fails with EFI_INVALID_PARAMETER if the map has changed since `key`.
	efi_status(EFIAPI *exit_boot_services)(efi_handle image, uint64_t key);
	void *get_next_monotonic_count, *stall;
	// 0 seconds disable the timer.
	efi_status(EFIAPI *set_watchdog_timer)(uint64_t seconds, uint64_t code, uint64_t size,
					       const uint16_t *data);
};
_Static_assert(offsetof(struct efi_boot_services, allocate_pages) == 0x28 &&
		       offsetof(struct efi_boot_services, handle_protocol) == 0x98 &&
		       offsetof(struct efi_boot_services, locate_device_path) == 0xb8 &&
		       offsetof(struct efi_boot_services, exit_boot_services) == 0xe8 &&
		       offsetof(struct efi_boot_services, set_watchdog_timer) == 0x100,
	       "4.4");

struct efi_configuration_table {
	struct efi_guid guid;
	const void *table;
};

struct efi_system_table {
	uint8_t header[24];
	void *vendor;
	uint32_t revision;
	efi_handle console_in_handle;
	void *console_in;
	efi_handle console_out_handle;
	struct efi_text_output *console_out;
	efi_handle error_handle;
	struct efi_text_output *error;
	void *runtime;
	struct efi_boot_services *boot;
	uint64_t table_count;
	const struct efi_configuration_table *tables;
};
_Static_assert(offsetof(struct efi_system_table, console_out) == 0x40 &&
		       offsetof(struct efi_system_table, boot) == 0x60 &&
		       offsetof(struct efi_system_table, tables) == 0x70,
	       "4.3");

struct efi_loaded_image {
	uint32_t revision;
	efi_handle parent;
	void *system;
	// Where the image came from. NULL: from memory.
	efi_handle device;
	void *path, *reserved;
	// Load options, in bytes. Usually UCS-2 with NUL, but a boot entry may have any bytes.
	uint32_t options_size;
	const void *options;
	void *base;
	uint64_t size;
};
_Static_assert(offsetof(struct efi_loaded_image, device) == 0x18 &&
		       offsetof(struct efi_loaded_image, options) == 0x38,
	       "9.1");

struct efi_file {
	uint64_t revision;
	efi_status(EFIAPI *open)(struct efi_file *, struct efi_file **out, const uint16_t *path,
				 uint64_t mode, uint64_t attributes);
	efi_status(EFIAPI *close)(struct efi_file *);
	void *delete;
	// `*size`: room before the call, bytes read after it; 0 at the end of the file.
	efi_status(EFIAPI *read)(struct efi_file *, uint64_t *size, void *out);
	void *write;
	efi_status(EFIAPI *get_position)(struct efi_file *, uint64_t *position);
	// In bytes. UINT64_MAX is the end of the file.
	efi_status(EFIAPI *set_position)(struct efi_file *, uint64_t position);
};
_Static_assert(offsetof(struct efi_file, read) == 0x20 &&
		       offsetof(struct efi_file, set_position) == 0x38,
	       "13.5");
#define EFI_FILE_MODE_READ 1

struct efi_file_system {
	uint64_t revision;
	efi_status(EFIAPI *open_volume)(struct efi_file_system *, struct efi_file **root);
};

// 13.2. `boot_policy` is always false. `*size` as in GetMemoryMap.
struct efi_load_file2 {
	efi_status(EFIAPI *load_file)(struct efi_load_file2 *, const struct efi_device_path *,
				      bool boot_policy, uint64_t *size, void *out);
};
