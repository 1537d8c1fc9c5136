// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Kernels differ in the platform tags that they support although their entry version is the same.
#include "core/era/era.h"

// The newest version comes first. Kernels before 0.10 have no ABI tag; their version reads as 0.0.
static const struct {
	// The first kernel of the row.
	uint32_t major, minor;
	uint8_t tags[START_KINDS];
} rows[] = {
	{ 0,
	  10,
	  {
		  [START_DEVICETREE] = PLATFORM_TAG_LINUX_BOOT,
		  [START_MULTIBOOT] = PLATFORM_TAG_MULTIBOOT,
		  [START_PVH] = PLATFORM_TAG_MULTIBOOT,
		  [START_LINUX] = PLATFORM_TAG_LINUX_PARAMS,
		  [START_UEFI] = PLATFORM_TAG_FDT,
	  } },
	{ 0,
	  0,
	  {
		  [START_DEVICETREE] = PLATFORM_TAG_LINUX_BOOT,
		  [START_MULTIBOOT] = PLATFORM_TAG_MULTIBOOT,
		  [START_PVH] = PLATFORM_TAG_MULTIBOOT,
		  [START_LINUX] = PLATFORM_TAG_MULTIBOOT,
		  [START_UEFI] = PLATFORM_TAG_MULTIBOOT,
	  } },
};

// The last row matches every version, so the loop ends.
enum platform_tag era_platform_tag(const struct notes *notes, enum start_kind start)
{
	size_t row = 0;
	while (notes->kernel[0] < rows[row].major ||
	       (notes->kernel[0] == rows[row].major && notes->kernel[1] < rows[row].minor))
		row++;
	return (enum platform_tag)rows[row].tags[start];
}
