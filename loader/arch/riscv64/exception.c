// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The report of a CPU exception. It runs where it was linked and in the copy of the trampoline
// (trampoline.h). Hence no tables of pointers, and no calls to functions outside. dev/sbi.c is part
// of the trampoline.
#include "arch/riscv64/trampoline.h"
#include "core/exception_report.h"
#include "dev/sbi.h"

// What trap_vector of trampoline.S stores: x1 to x31, then CSRs of the trap (RISC-V privileged
// specification 1.12, 4.1.7 to 4.1.9).
struct trap_frame {
	uint64_t x[31];
	uint64_t cause, epc, tval;
};
_Static_assert(sizeof(struct trap_frame) == 272, "trampoline.S, a multiple of 16 for the stack");

struct exception_hooks exception_hooks;

noreturn void exception_report(const struct trap_frame *frame);

static void put_char(char c)
{
	sbi_write(&c, 1);
}

// Exception codes of scause 0 to 15 (table 4.2), in order. Reserved codes have an empty string. One
// string, because pointers to strings would need relocations.
// clang-format off
static const char cause_names[] =
	"instruction-misaligned\0instruction-access-fault\0illegal-instruction\0breakpoint\0"
	"load-misaligned\0load-access-fault\0store-misaligned\0store-access-fault\0"
	"ecall-from-u\0ecall-from-s\0\0\0"
	"instruction-page-fault\0load-page-fault\0\0store-page-fault";
// clang-format on

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

// x1 to x31 by their ABI names, four bytes each.
// clang-format off
static const char register_names[] =
	"ra\0 sp\0 gp\0 tp\0 t0\0 t1\0 t2\0 s0\0 "
	"s1\0 a0\0 a1\0 a2\0 a3\0 a4\0 a5\0 a6\0 "
	"a7\0 s2\0 s3\0 s4\0 s5\0 s6\0 s7\0 s8\0 "
	"s9\0 s10\0s11\0t3\0 t4\0 t5\0 t6\0";
// clang-format on
_Static_assert(sizeof register_names == 31 * 4, "four bytes a register");

static void put_registers(const struct trap_frame *f)
{
	for (unsigned i = 0; i < countof(f->x); i++) {
		if (i % 8 == 0)
			put_line_start();
		put_register(register_names + 4 * (size_t)i, f->x[i]);
		if (i % 8 == 7 || i == countof(f->x) - 1)
			put_char('\n');
	}
}

noreturn void exception_report(const struct trap_frame *f)
{
	put_cpu_exception();
	put_cause(f->cause);
	put(" at ");
	put_location(f->epc);
	put_register("scause", f->cause);
	put_register("stval", f->tval);
	put_char('\n');
	put_registers(f);
	sbi_shutdown(NUMBER_CPU_EXCEPTION);
}
