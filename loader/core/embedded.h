// SPDX-License-Identifier: Apache-2.0 OR MIT
// The application that was built into the loader (EMBED_APP=): booted when the starter gives none.
#pragma once

#include "core/base.h"

struct boot;

// Makes it the one to boot; false: none was built in.
bool embedded_app(struct boot *boot);
