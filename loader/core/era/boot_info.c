// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Boot info of every era. Bytes without a fact are 0.
#include "core/era/era.h"
#include "core/span.h"

void boot_info_write(uint8_t *out, const struct era *era, enum order order,
		     const uint64_t facts[FACTS])
{
	memset(out, 0, era->info_size);
	// Fields ascend and narrow ones have small values. So eight bytes may be written for each:
	// the excess is 0, or the next field overwrites it. Big-endian eras have no narrow fields
	// other than 0.
	for (unsigned i = 0; i < era->field_count; i++)
		store_u64(out + era->fields[i].at, facts[era->fields[i].fact], order);
}
