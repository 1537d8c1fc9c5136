// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/era/era.h"

#include "core/log.h"

static const struct era eras[] = {
	{ .name = "e1",
	  .entry_version = 1,
	  .machine = 62,
	  .stack_low_end = false,
	  .stack_size = 0x8000,
	  .info_size = 160,
	  .info_own_page = true,
	  .shape = { .recursive = true },
	  .write_info = era_write_e1 },
	{ .name = "e4",
	  .entry_version = 4,
	  .stack_low_end = true,
	  .stack_size = 0x8000,
	  .info_size = 144,
	  .shape = { .recursive = true },
	  .write_info = era_write_e4 },
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
		if (eras[i].entry_version == version &&
		    (eras[i].machine == 0 || eras[i].machine == target->machine)) {
			*out = &eras[i];
			return STATUS_OK;
		}
	}
	return refuse(STATUS_ERA_UNSUPPORTED,
		      "entry version %u, this loader supports 1 (kernels 0.4.3, 0.4.4, "
		      "x86_64) and 4 (since 0.7.0)",
		      version);
}
