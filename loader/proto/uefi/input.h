// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the firmware provides for the application: its file, its arguments and tables.
#pragma once

#include "core/boot.h"

// Sets application and command line of `boot`. The application is the first of:
// - Linux's initrd, which the firmware provides by LoadFile2 (QEMU's -initrd)
// - initrd=PATH in the load options, on the loader's volume
// - \EFI\hermit\hermit-app, then \EFI\BOOT\hermit-app, on the loader's volume
// - the embedded one
// The command line is the load options. If they are empty, it is the file hermit-bootargs in the
// first of these two directories that has one. Refusals have been printed.
must_check enum status files_read(struct boot *boot);

// Sets `rsdp` and `cc_blob` of `boot`. An invalid table is ignored with a warning.
void tables_read(struct boot *boot);
