// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "test/fake.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/x86_64/paging.h"
#include "core/handover.h"

// AddressSanitizer's; not there in a build without it.
__attribute__((weak)) void __asan_poison_memory_region(void const volatile *p, size_t n);
__attribute__((weak)) void __asan_unpoison_memory_region(void const volatile *p, size_t n);

void fake_poison(const uint8_t *p, uint64_t n)
{
	if (__asan_poison_memory_region != NULL)
		__asan_poison_memory_region(p, n);
}

void fake_unpoison(const uint8_t *p, uint64_t n)
{
	if (__asan_unpoison_memory_region != NULL)
		__asan_unpoison_memory_region(p, n);
}

enum { CONSOLE_MAX = 1 << 16 };

static struct {
	char text[CONSOLE_MAX];
	size_t n;
	FILE *mirror;
} console;

static struct {
	uint8_t *p, *before;
	uint64_t size;
	jmp_buf end;
	struct fake_outcome outcome;
} fake;

static void console_write(const char *text, size_t n)
{
	if (console.mirror != NULL)
		fwrite(text, 1, n, console.mirror);
	if (n > CONSOLE_MAX - 1 - console.n)
		n = CONSOLE_MAX - 1 - console.n;
	memcpy(console.text + console.n, text, n);
	console.n += n;
	console.text[console.n] = '\0';
}

void console_open(void)
{
	console.n = 0;
	console.text[0] = '\0';
	log_init(console_write, LOG_INFO);
}

const char *console_text(void)
{
	return console.text;
}

void console_mirror(FILE *to)
{
	console.mirror = to;
}

static uint8_t *reserve(uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return p;
}

void fake_open(uint64_t size)
{
	if (fake.p == NULL) {
		fake.p = reserve(FAKE_REACH);
		fake.before = reserve(FAKE_REACH);
	}
	fake_unseal();
	if (fake.size != size && fake.size != 0) {
		madvise(fake.p, fake.size, MADV_DONTNEED);
		madvise(fake.before, fake.size, MADV_DONTNEED);
		mprotect(fake.p, fake.size, PROT_READ);
	}
	fake.size = size;
	mprotect(fake.p, size, PROT_READ | PROT_WRITE);
	mprotect(fake.before, size, PROT_READ | PROT_WRITE);
}

uint8_t *fake_memory(void)
{
	return fake.p;
}

void fake_seal(void)
{
	fake_poison(fake.p, fake.size);
}

void fake_unseal(void)
{
	fake_unpoison(fake.p, fake.size);
}

const uint8_t *fake_before(void)
{
	return fake.before;
}

static uint64_t map_max = UINT64_MAX;

void fake_map_at_most(uint64_t size)
{
	map_max = size;
}

void *fake_map(struct range r)
{
	if (r.start > r.end || r.end > FAKE_REACH || r.start == 0 || range_size(r) > map_max)
		return NULL;
	fake_unpoison(fake.p + r.start, range_size(r));
	return fake.p + r.start;
}

static struct range embedded;

void fake_embed(struct range at)
{
	embedded = at;
}

bool use_embedded_app(struct boot *boot)
{
	if (range_size(embedded) == 0)
		return false;
	boot->app = (struct span){ fake_map(embedded), range_size(embedded) };
	boot->app_at = embedded.start;
	boot->module_count = 1;
	return true;
}

static enum status leave(struct boot *boot, const struct era *era)
{
	(void)boot;
	(void)era;
	fake.outcome.leave_count++;
	return STATUS_OK;
}

static noreturn void stop(enum status status)
{
	fake.outcome.end = FAKE_STOPPED;
	fake.outcome.status = status;
	longjmp(fake.end, 1);
}

const struct platform fake_platform = {
	.map = fake_map, .leave_firmware = leave, .write = console_write, .stop = stop
};

const uint64_t arch_stack_at_entry = 8;

uint64_t arch_tables_size(struct range image, uint64_t other)
{
	(void)other;
	return paging_size(image);
}

uint64_t arch_trampoline_capacity(void)
{
	return FAKE_TRAMPOLINE_SIZE;
}

// What the trampoline does in the end: takes the image to its place, and the pages that were only
// there for that away again.
static void move_image(const struct handover *h, struct staging_entries entries)
{
	// Where the fake machine shows physical address 0.
	const uintptr_t zero = (uintptr_t)h->block->window.p - h->block->window.base;
	uint64_t size = range_size(h->image);
	uint8_t *to = (uint8_t *)(zero + h->image.start);
	fake_unpoison(to, size);
	memcpy(to, (const uint8_t *)(zero + h->staging.start), size);
	memset((uint8_t *)(zero + entries.at), 0, entries.count * 8);
}

noreturn void arch_handover(const struct handover *h)
{
	const struct handover_block *block = h->block;
	struct staging_entries entries = paging_hand_over(h);
	memset(block->window.p + block->trampoline, FAKE_TRAMPOLINE_BYTE,
	       block->trampoline_capacity);
	if (h->staging.start != h->image.start)
		move_image(h, entries);

	fake.outcome.end = FAKE_HANDED_OVER;
	fake.outcome.block = *block;
	fake.outcome.handover = *h;
	fake.outcome.handover.block = &fake.outcome.block;
	longjmp(fake.end, 1);
}

const struct fake_outcome *fake_run(void (*start)(void *), void *context)
{
	fake.outcome = (struct fake_outcome){ 0 };
	if (setjmp(fake.end) == 0)
		start(context);
	return &fake.outcome;
}
