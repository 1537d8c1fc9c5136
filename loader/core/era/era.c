// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Selects an era by the entry version. No other property of a file identifies the boot ABI: kernel
// snapshots between releases print the version of the previous release.
#include "core/era/era.h"

#include "core/log.h"

static const struct era *const eras[] = {
#define ERA_ADDRESS(name) &era_##name,
	ERAS(ERA_ADDRESS)
};

enum status era_identify(const struct notes *notes, const struct elf_target *target,
			 uint32_t forced, const struct era **out)
{
	uint32_t version = forced != 0 ? forced : notes->entry_version;
	if (forced == 0 && !notes->has_entry_version)
		return refuse(
			STATUS_ERA_NO_NOTE,
			"the file has no Hermit entry-version note: not a Hermit application, or "
			"an old one (for kernels 0.3.10 to 0.4.2 use loader.era=e1)");
	for (size_t i = 0; i < countof(eras); i++) {
		const struct era *era = eras[i];
		if (era->entry_version == version &&
		    (era->machine == 0 || era->machine == target->machine)) {
			*out = era;
			return STATUS_OK;
		}
	}
	return refuse(STATUS_ERA_UNSUPPORTED,
		      "entry version %u, this loader supports " ERA_VERSIONS, version);
}
