// SPDX-License-Identifier: Apache-2.0 OR MIT
// Application and arguments, from wherever the firmware has them.
#pragma once

#include "proto/uefi/firmware.h"

// Fills in app and cmdline of `boot`. Looked for are, in this order: the RAM disk that the firmware
// offers as Linux' one (LoadFile2), the file that the options name by initrd=PATH,
// \EFI\hermit\hermit-app and \EFI\BOOT\hermit-app, on the volume that the loader came from.
// Arguments are the load options; when these are empty, those in the file hermit-bootargs of the
// first of the two folders that has one.
must_check enum status files_read(struct boot *boot);
