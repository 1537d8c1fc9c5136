// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Finds and reads the application and its arguments through UEFI protocols. What is read stays
// allocated: struct boot points to it, and firmware_free_all() frees it after a refusal.
#include "core/log.h"
#include "proto/uefi/firmware.h"
#include "proto/uefi/options.h"

// The protocols of 9.1, 13.4 and 13.2.
static const struct efi_guid loaded_image_guid = {
	0x5b1b31a1, 0x9562, 0x11d2, { 0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b }
};
static const struct efi_guid file_system_guid = {
	0x964e5b22, 0x6459, 0x11d2, { 0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b }
};
static const struct efi_guid load_file2_guid = {
	0x4006c0c1, 0xfcb3, 0x403e, { 0x99, 0x6d, 0x4a, 0x6c, 0x87, 0x24, 0xe0, 0x6d }
};
// EFI_SHELL_PARAMETERS_PROTOCOL (UEFI Shell Specification 2.2). Images that the shell starts have
// it; their load options start with the typed name of the image (Shell Applications).
static const struct efi_guid shell_guid = {
	0x752f3136, 0x4e16, 0x4fdc, { 0xa2, 0x2a, 0xe5, 0xf4, 0x68, 0x12, 0xf4, 0xca }
};

// The device path of an initrd for Linux: a vendor media node with LINUX_EFI_INITRD_MEDIA_GUID,
// then the end node (10.3.5.3, 10.3.1).
static const struct {
	struct efi_device_path vendor;
	struct efi_guid guid;
	struct efi_device_path end;
} initrd_path = {
	{ 4, 3, { 20, 0 } },
	{ 0x5568e427, 0x68fc, 0x4f3d, { 0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68 } },
	{ 0x7f, 0xff, { 4, 0 } },
};
_Static_assert(sizeof initrd_path == 24, "10.3.1: no padding");

enum { END_OF_PATH = 0x7f };

// On the volume that the loader came from: Hermit's own directory, then that of removable media,
// where the firmware finds the loader without a boot entry (3.5.1.1).
static const uint16_t app_paths[][24] = { u"\\EFI\\hermit\\hermit-app",
					  u"\\EFI\\BOOT\\hermit-app" };
static const uint16_t arguments_paths[][32] = { u"\\EFI\\hermit\\hermit-bootargs",
						u"\\EFI\\BOOT\\hermit-bootargs" };

// A path as ASCII, for messages: log lines are UTF-8, paths UCS-2.
struct printed {
	char text[INITRD_MAX];
};

static struct printed print(const uint16_t *path)
{
	struct printed out;
	size_t i = 0;
	for (; path[i] != 0 && i < INITRD_MAX - 1; i++)
		out.text[i] = path[i] < 0x80 ? (char)path[i] : '?';
	out.text[i] = '\0';
	return out;
}

static enum status no_memory(uint64_t size)
{
	return refuse(STATUS_FIRMWARE_REFUSED,
		      "cannot allocate %#lx bytes for the application's file", size);
}

static efi_status file_size(struct efi_file *file, uint64_t *size)
{
	// 13.5: UINT64_MAX is the end of the file. EFI_FILE_INFO has the size, too, but also the
	// name, and hence no fixed length.
	efi_status status = file->set_position(file, UINT64_MAX);
	if (status == EFI_SUCCESS)
		status = file->get_position(file, size);
	if (status == EFI_SUCCESS)
		status = file->set_position(file, 0);
	return status;
}

static enum status read_open_file(struct efi_file *file, const uint16_t *path, struct span *out)
{
	uint64_t size = 0, done = 0;
	efi_status status = file_size(file, &size);
	uint8_t *p = status == EFI_SUCCESS ? firmware_allocate(size, EFI_LOADER_DATA) : NULL;
	if (status == EFI_SUCCESS && p == NULL)
		return no_memory(size);
	// Read() may return fewer bytes than requested; 0 is the end of the file (13.5).
	while (status == EFI_SUCCESS && done < size) {
		uint64_t now = size - done;
		status = file->read(file, &now, p + done);
		if (status != EFI_SUCCESS || now == 0)
			break;
		done += now;
	}
	if (status != EFI_SUCCESS || done != size)
		return refuse(STATUS_FIRMWARE_REFUSED,
			      "reading %s ended after %lu of %lu bytes with %#lx", print(path).text,
			      done, size, status);
	*out = (struct span){ p, size };
	return STATUS_OK;
}

// Reads a whole file into allocated memory. `found` is false if it does not exist.
static enum status read_file(struct efi_file *root, const uint16_t *path, struct span *out,
			     bool *found)
{
	struct efi_file *file = NULL;
	*found = false;
	if (root == NULL)
		return STATUS_OK;
	efi_status status = root->open(root, &file, path, EFI_FILE_MODE_READ, 0);
	if (status == EFI_NOT_FOUND)
		return STATUS_OK;
	if (status != EFI_SUCCESS)
		return refuse(STATUS_FIRMWARE_REFUSED, "opening %s returned %#lx", print(path).text,
			      status);
	*found = true;
	enum status result = read_open_file(file, path, out);
	file->close(file);
	if (result == STATUS_OK)
		log_line(LOG_DEBUG, "Read %s, %lu bytes", print(path).text, out->n);
	return result;
}

// Linux's initrd by LoadFile2 (13.2): the first call, without a buffer, returns the size.
static enum status load_offered(struct span *out, bool *found)
{
	const struct efi_device_path *path = &initrd_path.vendor;
	efi_handle handle;
	uint64_t size = 0;
	*found = false;
	// A match of the whole path leaves only its end node.
	if (efi_system->boot->locate_device_path(&load_file2_guid, &path, &handle) != EFI_SUCCESS ||
	    path->type != END_OF_PATH)
		return STATUS_OK;
	struct efi_load_file2 *loader = firmware_protocol(handle, &load_file2_guid);
	if (loader == NULL)
		return STATUS_OK;
	efi_status status = loader->load_file(loader, path, false, &size, NULL);
	if (status == EFI_NOT_FOUND)
		return STATUS_OK;
	if (status != EFI_BUFFER_TOO_SMALL)
		return refuse(STATUS_FIRMWARE_REFUSED,
			      "asking for the size of the RAM disk returned %#lx", status);
	uint8_t *p = firmware_allocate(size, EFI_LOADER_DATA);
	if (p == NULL)
		return no_memory(size);
	status = loader->load_file(loader, path, false, &size, p);
	if (status != EFI_SUCCESS)
		return refuse(STATUS_FIRMWARE_REFUSED,
			      "loading the RAM disk of %#lx bytes returned %#lx", size, status);
	log_line(LOG_DEBUG, "Read the RAM disk that the firmware offers, %lu bytes", size);
	*out = (struct span){ p, size };
	*found = true;
	return STATUS_OK;
}

static enum status find_app(struct efi_file *root, const struct load_options *options,
			    struct boot *boot)
{
	struct span *out = &boot->app;
	bool found;
	TRY(load_offered(out, &found));
	if (found)
		return STATUS_OK;
	if (options->has_initrd) {
		TRY(read_file(root, options->initrd, out, &found));
		if (found)
			return STATUS_OK;
		return refuse(STATUS_NO_MODULE,
			      "initrd=%s is not on the volume that the loader came from",
			      print(options->initrd).text);
	}
	for (size_t i = 0; i < countof(app_paths); i++) {
		TRY(read_file(root, app_paths[i], out, &found));
		if (found)
			return STATUS_OK;
	}
	if (use_embedded_app(boot))
		return STATUS_OK;
	return refuse(STATUS_NO_MODULE,
		      "no application: neither %s nor %s is on the volume that the loader came "
		      "from (QEMU: -initrd APP)",
		      print(app_paths[0]).text, print(app_paths[1]).text);
}

// Line ends at the end of the file are removed: editors add one.
static enum status read_arguments(struct efi_file *root, struct boot *boot)
{
	for (size_t i = 0; i < countof(arguments_paths); i++) {
		struct span text = { 0 };
		bool found;
		TRY(read_file(root, arguments_paths[i], &text, &found));
		if (!found)
			continue;
		while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
			text.n--;
		boot->cmdline = text;
		return STATUS_OK;
	}
	return STATUS_OK;
}

static enum status read_options(const struct efi_loaded_image *image, struct load_options *found,
				struct boot *boot)
{
	*found = (struct load_options){ 0 };
	if (image->options_size == 0 || image->options == NULL)
		return STATUS_OK;
	size_t room = options_bound(image->options_size);
	char *text = firmware_allocate(room, EFI_LOADER_DATA);
	if (text == NULL)
		return refuse(STATUS_FIRMWARE_REFUSED,
			      "cannot allocate %#lx bytes for the command line", room);
	bool from_shell = firmware_protocol(efi_image, &shell_guid) != NULL;
	if (!options_read(image->options, image->options_size, from_shell, text, found))
		return refuse(STATUS_OPTION_VALUE,
			      "the path of initrd= has more than %u characters", INITRD_MAX - 1);
	boot->cmdline = (struct span){ (const uint8_t *)text, found->size };
	return STATUS_OK;
}

enum status files_read(struct boot *boot)
{
	// static: too large for the stack.
	static struct load_options options;
	const struct efi_loaded_image *image = firmware_protocol(efi_image, &loaded_image_guid);
	struct efi_file *root = NULL;
	if (image == NULL)
		return refuse(STATUS_FIRMWARE_REFUSED,
			      "the firmware has no LoadedImage protocol for the loader");
	TRY(read_options(image, &options, boot));
	struct efi_file_system *system = image->device != NULL
						 ? firmware_protocol(image->device,
								     &file_system_guid)
						 : NULL;
	// No volume is not an error yet: LoadFile2 or an embedded application may serve.
	if (system != NULL && system->open_volume(system, &root) != EFI_SUCCESS)
		root = NULL;
	enum status status = STATUS_OK;
	if (!options.text)
		status = read_arguments(root, boot);
	if (status == STATUS_OK)
		status = find_app(root, &options, boot);
	if (root != NULL)
		root->close(root);
	boot->app_at = (uint64_t)boot->app.p;
	boot->module_count = 1;
	return status;
}
