// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Separate from boot.c, so that arch/ and proto/ stop the machine without depending on the boot
// sequence.
#include "core/panic.h"

#include "core/log.h"

static noreturn void (*stop)(enum status status);

void panic_init(noreturn void (*s)(enum status status))
{
	stop = s;
}

noreturn void die(enum status status)
{
	stop(status);
}

noreturn void assert_failed(const char *condition)
{
	die(refuse(STATUS_INTERNAL_ASSERT, "%s failed; please report it with the command line",
		   condition));
}
