// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/era/era.h"

// By kernel version, newest first. Kernels before 0.10 have no ABI tag, which reads as version 0.0.
static const struct {
	uint32_t major, minor; // of the first kernel
	uint8_t tags[START_KINDS];
} rows[] = {
	{ 0,
	  10,
	  {
		  [START_DEVICETREE] = PLATFORM_TAG_MULTIBOOT, // LinuxBoot
		  [START_MULTIBOOT] = PLATFORM_TAG_MULTIBOOT,
		  [START_PVH] = PLATFORM_TAG_MULTIBOOT,
		  [START_LINUX] = PLATFORM_TAG_LINUX_PARAMS,
		  [START_UEFI] = PLATFORM_TAG_FDT,
	  } },
	{ 0,
	  0,
	  {
		  [START_DEVICETREE] = PLATFORM_TAG_MULTIBOOT,
		  [START_MULTIBOOT] = PLATFORM_TAG_MULTIBOOT,
		  [START_PVH] = PLATFORM_TAG_MULTIBOOT,
		  [START_LINUX] = PLATFORM_TAG_MULTIBOOT,
		  [START_UEFI] = PLATFORM_TAG_MULTIBOOT,
	  } },
};

enum platform_tag era_platform_tag(const struct notes *notes, enum start_kind start)
{
	size_t row = 0;
	while (notes->kernel[0] < rows[row].major ||
	       (notes->kernel[0] == rows[row].major && notes->kernel[1] < rows[row].minor))
		row++;
	return (enum platform_tag)rows[row].tags[start];
}
