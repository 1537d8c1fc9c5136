// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// UEFI on aarch64. The kernel needs a device tree, so the firmware must have one. MMU, vectors and
// console are the firmware's until ExitBootServices.
#include "arch/aarch64/map.h"
#include "arch/aarch64/platform.h"
#include "arch/aarch64/trampoline.h"
#include "core/exception.h"
#include "core/log.h"
#include "core/panic.h"
#include "proto/uefi/firmware.h"
#include "proto/uefi/machine.h"

const uint64_t machine_reach = MAP_REACH;

// The tree names the console. NULL: not read yet.
static const struct devicetree *tree;
// MMU, vectors and console are the loader's.
static bool taken_over;

enum status machine_open(struct boot *boot)
{
	// EFI_DTB_TABLE_GUID (4.6).
	static const struct efi_guid guid = {
		0xb1b621d5, 0xf19c, 0x41a5, { 0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0 }
	};
	const uint8_t *bytes = firmware_table(&guid);
	uint64_t stack = (uint64_t)__builtin_frame_address(0);
	if (boot->loader.end > MAP_REACH || stack >= MAP_REACH)
		return refuse(STATUS_START_STATE,
			      "the firmware put the loader at %#lx and its stack at %#lx, both "
			      "must be below %#lx",
			      boot->loader.start, stack, MAP_REACH);
	if (bytes == NULL)
		return refuse(STATUS_FDT_MISSING, "the firmware has no device tree; QEMU's virt "
						  "gives it one with -machine virt,acpi=off");
	TRY(platform_read_devicetree(bytes, (uint64_t)bytes, boot));
	if (boot->devicetree->at.end > MAP_REACH)
		return refuse(STATUS_FDT_MISSING,
			      "the device tree at %#lx is out of the loader's reach",
			      boot->devicetree->at.start);
	tree = boot->devicetree;
	// These belong to a device tree that the loader creates. Here the firmware has one.
	boot->rsdp = boot->cc_blob = (struct span){ 0 };
	boot->start_kind = START_DEVICETREE;
	return STATUS_OK;
}

// Until ExitBootServices the firmware's vectors stay: it handles its own interrupts and reports
// exceptions. So there is nothing to restore.
void machine_close(void)
{
}

// Also called by a log line or refusal before machine_take_over().
static void take_over(void)
{
	if (taken_over)
		return;
	taken_over = true;
	platform_take_over();
	if (tree == NULL)
		return;
	ASSERT(map_range(tree->at) != NULL);
	platform_open_console(tree);
}

void machine_take_over(const struct boot *boot, const struct era *era)
{
	(void)era;
	take_over();
	// The loader still writes the block and moves the image. RAM above machine_reach cannot be
	// mapped, but the loader has allocated nothing there.
	for (uint32_t i = 0; i < boot->ram.count; i++)
		if (map_range(boot->ram.ranges[i]) == NULL)
			break;
}

void machine_write(const char *text, size_t n)
{
	take_over();
	platform_write(text, n);
}

noreturn void machine_stop(unsigned number)
{
	take_over();
	platform_exit(number);
}

#ifdef LOADER_SELFTEST
void machine_selftest(struct span word)
{
	selftest(word);
}
#endif
