// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "test/protocol_fake.h"

#include <string.h>

#include "test/test.h"

struct boot protocol_boot;

void protocol_clear(void)
{
	fake_open(PROTOCOL_RAM);
	memset(fake_memory(), 0, PROTOCOL_RAM);
}

void protocol_begin(void)
{
	protocol_boot = (struct boot){ .loader = { 0x100000, 0x110000 },
				       .mappable = { 0, FAKE_REACH } };
	console_open();
	fake_seal();
}

enum status protocol_end(enum status status)
{
	fake_unseal();
	return status;
}

void check_parsed(uint64_t info_at, const char *line, unsigned apps, uint64_t app_at,
		  uint64_t app_size)
{
	CHECK_EQ(protocol_boot.start_info_at, info_at);
	CHECK_EQ(protocol_boot.cmdline.n, strlen(line));
	CHECK_BYTES(protocol_boot.cmdline.p, line, strlen(line));
	CHECK_EQ(protocol_boot.module_count, apps);
	CHECK_EQ(protocol_boot.app_at, app_at);
	CHECK_EQ(protocol_boot.app.n, app_size);
	CHECK(protocol_boot.app.p == fake_memory() + app_at);
}

void check_usable(const char *want)
{
	const struct range_set *usable = &protocol_boot.usable;
	char got[4096] = "";
	size_t n = 0;
	for (uint32_t i = 0; i < usable->count; i++)
		n += (size_t)snprintf(got + n, sizeof got - n, "%lx-%lx ", usable->ranges[i].start,
				      usable->ranges[i].end);
	CHECK_STR(got, want);
}

bool is_start_info(uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < protocol_boot.start_info_count; i++)
		if (protocol_boot.start_info[i].start == from &&
		    protocol_boot.start_info[i].end == to)
			return true;
	return false;
}

void check_flips(void (*start)(void), enum status (*run)(void), const struct range *places,
		 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (uint64_t bit = 8 * places[i].start; bit < 8 * places[i].end; bit++) {
			start();
			fake_memory()[bit / 8] ^= (uint8_t)(1 << bit % 8);
			test_case("bit %lu of %lx", bit % 8, bit / 8);
			enum status status = run();
			CHECK(status == STATUS_OK ||
			      (status_number(status) >= 87 && status_number(status) <= 93));
		}
	}
}
