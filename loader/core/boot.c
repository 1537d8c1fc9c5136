// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "core/boot.h"

#include "core/handover_block.h"
#include "core/panic.h"
// generated: LOADER_VERSION, LOADER_COMMIT, LOADER_DATE, LOADER_PROFILE, LOADER_LOG_LEVEL
#include "version.h"

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

static const struct platform *platform;

// Too large for the stacks that firmware gives.
static struct boot_state {
	struct loader_options options;
	struct elf_image elf;
	struct notes notes;
	const struct era *era;
	struct place place;
	struct handover_block block;
} boot_state;

void boot_open(const struct platform *p)
{
	platform = p;
	panic_open(p->stop);
	log_open(p->write, LOADER_LOG_LEVEL);
}

static void log_version(const struct boot *boot)
{
	log_line(LOG_INFO, "Hermit loader " LOADER_VERSION " (" LOADER_COMMIT ", %s, %s)",
		 boot->target, boot->protocol);
	log_line(LOG_DEBUG, "Hermit Loader version " LOADER_VERSION);
	log_line(LOG_DEBUG, "Git version: " LOADER_COMMIT);
	log_line(LOG_DEBUG, "Architecture: " LOADER_ARCH);
	log_line(LOG_DEBUG, "Operating system: none");
	log_line(LOG_DEBUG, "Enabled features: %s, " LOADER_PROFILE, boot->protocol);
	log_line(LOG_DEBUG, "Built with " COMPILER);
	log_line(LOG_DEBUG, "Built on " LOADER_DATE);
	log_line(LOG_DEBUG, "Loader: [%#lx - %#lx]", boot->loader.start, boot->loader.end);
}

static void log_boot_information(const struct boot *boot)
{
	log_line(LOG_DEBUG, "Found %s at %#lx", boot->bootinfo_name, boot->bootinfo_at);
	for (uint32_t i = 0; i < boot->usable.count; i++)
		log_line(LOG_TRACE, "Usable memory: [%#lx - %#lx]", boot->usable.ranges[i].start,
			 boot->usable.ranges[i].end);
	if (boot->app.n == 0)
		return;
	uint64_t end = boot->app_at + boot->app.n;
	if (range_inside((struct range){ boot->app_at, end }, boot->loader))
		log_line(LOG_DEBUG,
			 "No application was given: the one within the loader is booted");
	log_line(LOG_DEBUG, "Found module: [%#lx - %#lx]", boot->app_at, end);
	log_line(LOG_DEBUG, "Module length: %#lx", boot->app.n);
	log_line(LOG_DEBUG, "Found an ELF module at [%#lx - %#lx]", boot->app_at, end);
	log_line(LOG_DEBUG, "Parsing kernel from ELF at %#lx..%#lx (len = %#lx B / %lu B)",
		 boot->app_at, end, boot->app.n, boot->app.n);
}

static enum status read_options(const struct boot *boot)
{
	struct loader_options *options = &boot_state.options;
	*options = (struct loader_options){ .log = LOADER_LOG_LEVEL };
	TRY(cmdline_options(boot->cmdline, options));
	log_set_level(options->log);
	if (options->selftest.n == 0)
		return STATUS_OK;
	if (platform->selftest == NULL)
		return refuse(STATUS_OPTION_UNKNOWN,
			      "loader.selftest= is known to debug builds only");
	platform->selftest((const char *)options->selftest.p, options->selftest.n);
	return STATUS_OK;
}

// Which kind of file it is, by its first bytes. A Hermit image is a gzip file (RFC 1952).
static enum status check_file_format(const struct boot *boot)
{
	const uint8_t *p = boot->app.p;
	if (boot->module_count == 0)
		return refuse(STATUS_NO_MODULE, "no application was given: with QEMU add -initrd "
						"APP, with GRUB a module line");
	if (boot->app.n >= 4 && memcmp(p,
				       "\x7f"
				       "ELF",
				       4) == 0)
		return STATUS_OK;
	if (boot->app.n >= 3 && memcmp(p, "\x1f\x8b\x08", 3) == 0)
		return refuse(STATUS_IMAGE_UNSUPPORTED,
			      "this is a Hermit image (gzip); this loader starts ELF files, unpack "
			      "its kernel first");
	if (boot->app.n < 4)
		return refuse(STATUS_APP_UNKNOWN_FORMAT,
			      "the file has %lu bytes, an ELF file has more", boot->app.n);
	return refuse(STATUS_APP_UNKNOWN_FORMAT,
		      "the file begins with %x %x %x %x, an ELF file with 7f 45 4c 46", p[0], p[1],
		      p[2], p[3]);
}

static enum status read_application(const struct boot *boot)
{
	if (boot->module_count > 1)
		log_line(LOG_WARN,
			 "%u modules were given: the first is booted, the second and further ones "
			 "are ignored",
			 boot->module_count);
	TRY(check_file_format(boot));
	TRY(elf_parse(boot->app, boot->elf_target, &boot_state.elf));
	TRY(notes_read(&boot_state.elf, &boot_state.notes));
	if (boot_state.notes.has_kernel_version)
		log_line(LOG_DEBUG, "Found Hermit version %u.%u.%u", boot_state.notes.kernel[0],
			 boot_state.notes.kernel[1], boot_state.notes.kernel[2]);
	return era_identify(&boot_state.notes, boot->elf_target, boot_state.options.entry_version,
			    &boot_state.era);
}

static enum status place(const struct boot *boot, struct handover_block_content *content)
{
	struct place_request request = {
		.rules = &arch_place_rules,
		.image = &boot_state.elf,
		.usable = &boot->usable,
		.preferred = handover_preferred_ram(boot),
		.reach = boot->reach,
		.loader = boot->loader,
		.file = { boot->app_at, boot->app_at + boot->app.n },
		.preserved_count = boot->preserved_count,
	};
	memcpy(request.preserved, boot->preserved, sizeof request.preserved);
	TRY(place_image(&request, &boot_state.place));
	content->image = boot_state.place.image;
	handover_block_layout(content, &boot_state.block);
	TRY(place_others(&request, boot_state.block.size, &boot_state.place));
	content->image = boot_state.place.image; // it may have moved up to leave room below it
	return STATUS_OK;
}

static struct window map_window(struct range r)
{
	struct window window = { platform->map(r), r.start, range_size(r) };
	ASSERT(window.p != NULL);
	return window;
}

// Firmware that manages memory is asked for every piece before it is written.
static enum status claim(const struct boot *boot)
{
	const struct place *place = &boot_state.place;
	if (platform->claim == NULL)
		return STATUS_OK;
	TRY(platform->claim(place->image));
	TRY(platform->claim(place->block));
	if (place->staging.start != place->image.start)
		TRY(platform->claim(place->staging));
	if (place->file.start != boot->app_at)
		TRY(platform->claim(place->file));
	return STATUS_OK;
}

static enum status load(const struct boot *boot)
{
	const struct place *place = &boot_state.place;
	const uint8_t *file = boot->app.p;
	if (place->file.start != boot->app_at) {
		struct window moved = map_window(place->file);
		memcpy(moved.p, file, boot->app.n);
		file = moved.p;
	}
	struct window to = map_window(place->staging);
	load_segments(&boot_state.elf, file, to, place->backwards);
	return boot_state.elf.dyn ? load_relocate(&boot_state.elf, to, place->image.start)
				  : STATUS_OK;
}

static void log_placement(void)
{
	const struct place *place = &boot_state.place;
	const struct elf_tls *tls = &boot_state.elf.tls;
	uint64_t moved = place->image.start - boot_state.elf.vaddr;
	log_line(LOG_INFO, "Loading kernel to %#lx..%#lx (len = %#lx B / %lu B)",
		 place->image.start, place->image.end, boot_state.elf.size, boot_state.elf.size);
	if (tls->memsz != 0)
		log_line(LOG_DEBUG, "TLS is at %#lx..%#lx (len =  %#lx B / %lu B)",
			 tls->vaddr + moved, tls->vaddr + moved + tls->memsz, tls->memsz,
			 tls->memsz);
	const uint64_t page = arch_place_rules.image_page_size;
	if (page == 0)
		return;
	// Whatever the pages' size, kernels find the image mapped up to multiples of IMAGE_ALIGN.
	const struct range mapped = { align_down(place->image.start, IMAGE_ALIGN),
				      align_up(place->image.end, IMAGE_ALIGN) };
	log_line(LOG_DEBUG, "Map %lu pages at %#lx (page size 4 KByte)",
		 boot_state.block.size / PAGE_SIZE, boot_state.block.window.base);
	log_line(LOG_DEBUG, "Map %lu pages at %#lx (page size %lu KByte)",
		 range_size(mapped) / page, mapped.start, page / 1024);
}

static noreturn void hand_over(const struct boot *boot)
{
	const struct place *place = &boot_state.place;
	const struct handover_block *block = &boot_state.block;
	const struct era *era = boot_state.era;
	uint64_t stack = block->window.base + block->stack +
			 (era->stack_low_end && !arch_stack_top ? 0 : era->stack_size);
	const struct handover handover = {
		.block = block,
		.shape = &era->shape,
		.image = place->image,
		.staging = place->staging,
		.entry = boot_state.elf.entry + (place->image.start - boot_state.elf.vaddr),
		.stack = stack,
		.info = block->window.base + block->info,
		.cpu = boot->cpu,
		.uart = boot->devicetree != NULL && boot->devicetree->uart == TREE_UART_PL011
				? boot->devicetree->uart_at
				: 0,
	};
	log_line(LOG_DEBUG, "Entering kernel at %#lx, stack at %#lx, raw_boot_info at %#lx",
		 handover.entry, stack, handover.info);
	arch_handover(&handover);
}

// The steps of every boot. What can be refused is decided before the application's memory is
// written, bad relocations excepted.
static enum status steps(struct boot *boot)
{
	struct handover_block_content content = { .boot = boot, .elf = &boot_state.elf };
	TRY(read_options(boot));
	if (boot->module_count == 0)
		// read_application() refuses where there is none either
		(void)embedded_app(boot);
	log_version(boot);
	log_boot_information(boot);
	TRY(read_application(boot));
	content.era = boot_state.era;
	if (!boot_state.notes.has_kernel_version)
		boot->platform_tag = boot->platform_tag_older;
	TRY(place(boot, &content));
	TRY(claim(boot));
	boot_state.block.window = map_window(boot_state.place.block);
	handover_block_write(&content, &boot_state.block);
	TRY(load(boot));
	log_placement();
	TRY(platform->leave_firmware(boot));
	if (boot->ram_slack != 0)
		handover_block_write(&content, &boot_state.block); // the memory map is another one
	hand_over(boot);
}

noreturn void boot_run(struct boot *boot)
{
	die(steps(boot));
}
