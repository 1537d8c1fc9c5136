// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the firmware gives the application: file, arguments, tables.
#pragma once

#include "core/boot.h"

// Fills in app and cmdline of `boot`. Looked for are, in this order: the RAM disk that the firmware
// offers as Linux' one (LoadFile2), the file that the options name by initrd=PATH,
// \EFI\hermit\hermit-app and \EFI\BOOT\hermit-app, on the volume that the loader came from.
// Arguments are the load options; when these are empty, those in the file hermit-bootargs of the
// first of the two folders that has one.
must_check enum status files_read(struct boot *boot);

// Fills in `rsdp` and `sev` of `boot`; what is not sound is warned of and left out.
void tables_read(struct boot *boot);
