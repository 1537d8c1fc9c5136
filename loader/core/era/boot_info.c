// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Boot info of every era. Bytes without a fact are 0.
#include "core/era/era.h"
#include "core/span.h"

void boot_info_write(uint8_t *out, const struct era *era, enum order order,
		     const uint64_t facts[FACTS])
{
	memset(out, 0, era->info_size);
	// Fields ascend, and values of narrow ones are small. So each field may be written as eight
	// bytes: the excess bytes are 0, or the next field overwrites them. In big-endian order the
	// value is in the last of the eight bytes, so a narrow field can hold nothing but 0.
	// Big-endian applications are of eras e3 and e4 only. Their one narrow field is the
	// platform tag, and it is 0 on aarch64.
	for (unsigned i = 0; i < era->field_count; i++)
		store_u64(out + era->fields[i].at, facts[era->fields[i].fact], order);
}
