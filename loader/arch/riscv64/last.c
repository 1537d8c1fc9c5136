// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The report of a CPU exception. It runs at two places (see last.h): no calls out but to dev/sbi.c, which moves along, and no tables of pointers.
#include "last.h"

#include "../../core/status.h"
#include "../../dev/sbi.h"

// RISC-V privileged specification, 4.1: x1 to x31 and what the trap left.
struct trap_frame {
	uint64_t x[31];
	uint64_t cause, epc, tval;
	// 8 bytes follow to keep the stack aligned
};

struct last_hooks last_hooks;

noreturn void last_exception(const struct trap_frame *frame);

static void put(const char *text)
{
	size_t n = 0;
	while (text[n] != '\0')
		n++;
	sbi_write(text, n);
}

static void put_hex(uint64_t value)
{
	char text[18];
	size_t at = sizeof text;
	do {
		text[--at] = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value != 0);
	text[--at] = 'x';
	text[--at] = '0';
	sbi_write(text + at, sizeof text - at);
}

static void put_decimal(unsigned value)
{
	char c = (char)('0' + value % 10);
	if (value >= 10)
		put_decimal(value / 10);
	sbi_write(&c, 1);
}

static void put_register(const char *name, uint64_t value)
{
	put(" ");
	put(name);
	put("=");
	put_hex(value);
}

// Exception codes of scause, in order, each with its NUL; an empty one is reserved.
static const char cause_names[] = "instruction-misaligned\0instruction-access-fault\0illegal-instruction\0breakpoint\0load-misaligned\0"
				  "load-access-fault\0store-misaligned\0store-access-fault\0ecall-from-u\0ecall-from-s\0\0\0"
				  "instruction-page-fault\0load-page-fault\0\0store-page-fault";

static void put_cause(uint64_t cause)
{
	const char *name = cause_names;
	if (cause > 15)
		name = cause >> 63 != 0 ? "interrupt" : "";
	else
		for (uint64_t i = 0; i < cause; i++)
			while (*name++ != '\0')
				;
	put(*name != '\0' ? name : "exception");
}

static void put_place(uint64_t address)
{
	uint64_t offset = 0;
	put_hex(address);
	if (last_hooks.symbol == NULL) {
		put(" (in the last copy)");
		return;
	}
	const char *symbol = last_hooks.symbol(address, &offset);
	if (symbol != NULL) {
		put(" (");
		put(symbol);
		put("+");
		put_hex(offset);
		put(")");
	}
}

static const char line_start[] = "[LOADER][ERROR]";
static const char register_names[] = "ra\0 sp\0 gp\0 tp\0 t0\0 t1\0 t2\0 s0\0 s1\0 a0\0 a1\0 a2\0 a3\0 a4\0 a5\0 a6\0 a7\0 s2\0 s3\0 s4\0 s5\0 s6\0 s7\0 s8\0 s9\0 "
				     "s10\0s11\0t3\0 t4\0 t5\0 t6\0";
_Static_assert(sizeof register_names == 31 * 4, "four bytes a register");

static void put_registers(const struct trap_frame *f)
{
	for (unsigned i = 0; i < countof(f->x); i++) {
		if (i % 8 == 0)
			put(line_start);
		put_register(register_names + 4 * (size_t)i, f->x[i]);
		if (i % 8 == 7 || i == countof(f->x) - 1)
			put("\n");
	}
}

#define NUMBER_OF(name, number, class, rule, sentence) NUMBER_##name = number,
enum { STATUS_LIST(NUMBER_OF) };

noreturn void last_exception(const struct trap_frame *f)
{
	put(line_start);
	put(" ");
	put_decimal(NUMBER_CPU_EXCEPTION);
	put(" cpu-exception: ");
	put_cause(f->cause);
	put(" at ");
	put_place(f->epc);
	put_register("scause", f->cause);
	put_register("stval", f->tval);
	put("\n");
	put_registers(f);
	sbi_stop(NUMBER_CPU_EXCEPTION);
}
