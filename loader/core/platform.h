// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the core needs from the boot environment. UEFI has one instance, all other boot protocols of
// a CPU share that of arch/<cpu>/platform.c, and host tests have a fake one. Until arch_handover()
// the core reaches firmware, console and unmapped memory through it only.
#pragma once

#include "core/range.h"
#include "core/span.h"

struct boot;
struct era;

struct platform {
	// Makes the physical range `r` readable and writable. Returns a pointer to its start. NULL:
	// the range is not inside boot->mappable, it starts at address 0, or the loader has too few
	// page tables (x86_64: MAP_HIGH_GIBS).
	void *(*map)(struct range r);
	// UEFI: allocates `r` from the firmware before the core writes to it. Refuses with
	// FIRMWARE_REFUSED. The pointer is NULL if no firmware manages memory.
	enum status (*claim)(struct range r);
	// Names the use of an address that is not free RAM, for a refusal. The pointer is NULL if
	// the boot protocol tells no uses.
	const char *(*memory_type)(uint64_t address);
	// Ends the firmware's use of the machine. UEFI: calls ExitBootServices and replaces
	// boot->ram and boot->usable with the final memory map, which has at most boot->ram_slack
	// more ranges. `era`: on x86_64 UEFI, what the kernel must find in low memory (the RSDP in
	// the EBDA) depends on it.
	enum status (*leave_firmware)(struct boot *boot, const struct era *era);
	// Writes `n` bytes to the console, unchanged.
	void (*write)(const char *text, size_t n);
	// Stops the machine and passes the exit status to the exit device, if there is one. Under
	// UEFI it returns to the firmware instead, as long as that is possible and loader.onerror=
	// is not "stop".
	noreturn void (*stop)(enum status status);
	// Runs loader.selftest=WORD. The pointer is NULL except in the debug profile.
	void (*selftest)(struct span word);
};
