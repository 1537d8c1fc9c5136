// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Recognises an era by the file alone. If there is an entry version, it decides the era. Kernel
// version and uhyve interface only choose between the rows of one era: a snapshot between two
// releases has the kernel version of the earlier one and may have the entry version of the later.
#include "core/era/era.h"

#include "core/log.h"

static const struct era *const eras[] = {
#define ERA_ADDRESS(name) &era_##name,
	ERAS(ERA_ADDRESS)
};

// Era h0: the first segment begins with a magic number and version 0.
static bool begins_with_header(const struct elf_image *image)
{
	const struct elf_segment *first = &image->segments[0];
	return first->filesz >= 8 &&
	       load_u64(image->file.p + first->offset, ORDER_LITTLE) == 0xc0decafe;
}

// Every kernel before 0.4.3 prints a line that begins with "Welcome to HermitCore-rs".
static bool has_old_kernel(struct span file)
{
	static const char name[] = "HermitCore-rs";
	const size_t n = sizeof name - 1;
	for (size_t i = 0; i + n <= file.n; i++)
		if (file.p[i] == 'H' && memcmp(file.p + i, name, n) == 0)
			return true;
	return false;
}

static bool matches(const struct era *era, const struct notes *notes, const struct elf_image *image,
		    uint32_t version)
{
	// info_in_image: boot info overwrites the first info_size bytes of the image. loader.era=h0
	// selects this row for any file, so the image must have that many.
	return era->entry_version == version &&
	       (!era->info_in_image || image->size >= era->info_size) &&
	       (era->machine == 0 || (era->machine == image->target->machine &&
				      elf_order(image->target) == ORDER_LITTLE)) &&
	       (notes->kernel[0] != 0 || notes->kernel[1] >= era->kernel_minor) &&
	       notes->uhyve_interface >= era->uhyve_interface;
}

enum status era_identify(const struct notes *notes, const struct elf_image *image, uint32_t forced,
			 const struct era **out)
{
	uint32_t version = forced;
	if (forced == 0) {
		if (notes->has_entry_version)
			version = notes->entry_version;
		else if (begins_with_header(image))
			version = ENTRY_VERSION_H0;
		else if (has_old_kernel(image->file))
			version = 1;
		else
			return refuse(STATUS_ERA_NO_NOTE,
				      "the file has no Hermit entry-version note, and no kernel of "
				      "the time before: not a Hermit application (loader.era=e1 "
				      "tries it as one)");
	}
	for (size_t i = 0; i < countof(eras); i++) {
		if (matches(eras[i], notes, image, version)) {
			*out = eras[i];
			return STATUS_OK;
		}
	}
	if (version == ENTRY_VERSION_H0)
		return refuse(STATUS_ERA_UNSUPPORTED,
			      "era h0 is for x86_64 and images of at least %lu bytes, which the "
			      "boot info needs; this image has %lu",
			      (uint64_t)era_h0.info_size, image->size);
	return refuse(STATUS_ERA_UNSUPPORTED,
		      "entry version %u, this loader supports " ERA_VERSIONS, version);
}
