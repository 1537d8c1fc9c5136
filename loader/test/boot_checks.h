// SPDX-License-Identifier: Apache-2.0 OR MIT
// What must be true of a whole run on the fake PC, whatever the application.
#pragma once

#include "test/fake_pc.h"

// After a hand-over: the image is what the model says, the tables map it and the block and nothing
// else, the start information refers to everything, and no other byte of the memory has changed;
// `moved` is where the file was moved, empty when it was not.
void check_handed_over(const struct fake_pc *pc, const struct fake_outcome *outcome,
		       struct range moved);

// After a refusal: nothing was written.
void check_nothing_written(const struct fake_pc *pc);
