// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The report of a CPU exception. It runs where it was linked and in the copy of the trampoline
// (trampoline.h): no calls to functions outside, no tables of pointers.
#include "arch/x86_64/trampoline.h"
#include "core/exception_report.h"
#include "dev/isa_debug_exit.h"
#include "dev/uart_16550.h"

// What the vector stubs of trampoline.asm push, lowest address first. From `rip` on the CPU has
// pushed it (Intel SDM volume 3, 64-Bit Mode Stack Frame).
struct exception_frame {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

struct exception_hooks exception_hooks;

noreturn void exception_report(const struct exception_frame *frame);

static void put_char(char c)
{
	uart_16550_put(c);
}

// Mnemonics by vector (Intel SDM volume 3, Exception and Interrupt Vectors); "#--" is reserved.
static const char vector_names[][4] = {
	"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#--", "#TS",
	"#NP", "#SS", "#GP", "#PF", "#--", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
};
_Static_assert(countof(vector_names) == VECTORS, "a name for each vector");

static void put_registers(const struct exception_frame *f)
{
	put_line_start();
	put_register("rax", f->rax);
	put_register("rbx", f->rbx);
	put_register("rcx", f->rcx);
	put_register("rdx", f->rdx);
	put_register("rsi", f->rsi);
	put_register("rdi", f->rdi);
	put_register("rbp", f->rbp);
	put_register("rsp", f->rsp);
	put_char('\n');
	put_line_start();
	put_register("r8", f->r8);
	put_register("r9", f->r9);
	put_register("r10", f->r10);
	put_register("r11", f->r11);
	put_register("r12", f->r12);
	put_register("r13", f->r13);
	put_register("r14", f->r14);
	put_register("r15", f->r15);
	put_register("rflags", f->rflags);
	put_char('\n');
}

noreturn void exception_report(const struct exception_frame *f)
{
	put_cpu_exception();
	put(vector_names[f->vector]);
	put(" at ");
	put_location(f->rip);
	put_register("error", f->error);
	put_register("cr2", cpu_cr2());
	put_char('\n');
	put_registers(f);
	isa_debug_exit(NUMBER_CPU_EXCEPTION);
	for (;;)
		cpu_halt();
}
