// SPDX-License-Identifier: Apache-2.0 OR MIT
// The core's only way to the world: what started us, seen as a few functions. One per protocol, one
// fake one for host tests.
#pragma once

#include "core/range.h"

struct boot;

struct platform {
	// Makes [r.start, r.end) of physical memory readable and writable and returns where it is
	// seen. NULL: beyond `reach` of struct boot.
	void *(*map)(struct range r);
	// Makes what lies in `r` ours before it is written (UEFI allocates it); NULL: nothing to
	// do. FIRMWARE_REFUSED has been printed.
	enum status (*claim)(struct range r);
	// Ends the firmware's rule over the machine; from here on only we write memory. It may
	// replace `boot->ram` and `boot->usable` with the final memory map, at most boot->ram_slack
	// ranges longer.
	enum status (*leave_firmware)(struct boot *boot);
	// Console output, `n` bytes as they are.
	void (*write)(const char *text, size_t n);
	// The one place where the machine stops: tells the outside world the number. Does not
	// return.
	noreturn void (*stop)(enum status status);
	// Carries out loader.selftest=WORD (debug profile); NULL: the option is not known.
	void (*selftest)(const char *word, size_t n);
};
