// SPDX-License-Identifier: Apache-2.0 OR MIT
// tar archives (POSIX.1-2017, pax, "ustar Interchange Format"), which are untrusted.
#pragma once

#include "core/span.h"
#include "core/status.h"

// Returns true if the archive begins with a header whose checksum is right.
bool tar_recognise(struct span archive);

// Finds a regular file by its name, of which leading "./" and "/" do not count. The last of several
// entries counts, since an archive may be extended. `found` is false if there is none. Extended
// headers are skipped. So names that only they give are not found: in GNU tar's format those of
// more than 100 bytes, in pax those that are not ASCII. Refuses with ARCHIVE_MALFORMED.
must_check enum status tar_find(struct span archive, struct span name, struct span *out,
				bool *found);
