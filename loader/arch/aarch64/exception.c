// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The report of a CPU exception and the end of the machine. The code runs where it was linked and
// in the copy of the trampoline (trampoline.h), with the MMU on or off. Hence no calls to functions
// outside, no tables of pointers, and aligned accesses only.
#include "arch/aarch64/cpu.h"
#include "arch/aarch64/exception_class.h"
#include "arch/aarch64/trampoline.h"
#include "core/exception_report.h"
#include "dev/uart.h"

#pragma GCC visibility push(hidden)

// trampoline.S fills it and uses the offsets. Not on the stack, whose pointer may be the cause.
struct exception_frame {
	uint64_t x[31];
	uint64_t sp;
	uint64_t pc, pstate, esr, far;
} exception_frame;

_Static_assert(offsetof(struct exception_frame, sp) == 248 &&
		       offsetof(struct exception_frame, esr) == 272,
	       "trampoline.S");

struct exception_hooks exception_hooks;

noreturn void exception_report(const struct exception_frame *frame);
uint64_t semihosting_call(uint64_t operation, const uint64_t *block);
uint64_t hvc_call(uint64_t function);
uint64_t smc_call(uint64_t function);

#pragma GCC visibility pop

// Arm semihosting 2.0: SYS_EXIT_EXTENDED passes a reason and an exit status.
enum {
	SYS_EXIT_EXTENDED = 0x20,
	ADP_STOPPED_APPLICATION_EXIT = 0x20026,
};
// PSCI (Arm DEN 0022): the machine powers off, no result.
#define PSCI_SYSTEM_OFF UINT64_C(0x84000008)

// QEMU reads the parameter block as little-endian, whatever SCTLR_EL1.EE is.
static uint64_t semihosting_word(uint64_t value)
{
	return ORDER_NATIVE == ORDER_LITTLE ? value : __builtin_bswap64(value);
}

noreturn void platform_exit(uint64_t number)
{
	uint64_t block[2] = { semihosting_word(ADP_STOPPED_APPLICATION_EXIT),
			      semihosting_word(number) };
	semihosting_call(SYS_EXIT_EXTENDED, block);
	// Without semihosting the HLT above raised an exception, which was skipped.
	if (exception_hooks.psci == PSCI_HVC)
		hvc_call(PSCI_SYSTEM_OFF);
	else if (exception_hooks.psci == PSCI_SMC)
		smc_call(PSCI_SYSTEM_OFF);
	for (;;)
		cpu_wfi();
}

// The address of the UART by the page tables in use; 0: they do not map it.
static uint64_t uart_base(void)
{
	if ((cpu_read(sctlr_el1) & SCTLR_M) == 0)
		return exception_hooks.uart_physical;
	return cpu_read(ttbr0_el1) == exception_hooks.root ? exception_hooks.uart_kernel
							   : exception_hooks.uart_at;
}

static void put_char(char c)
{
	uint64_t at = uart_base();
	if (at != 0)
		uart_put((enum uart_kind)exception_hooks.uart, at, c);
}

static void put_registers(const struct exception_frame *f)
{
	for (unsigned i = 0; i < 31; i++) {
		if (i % 8 == 0)
			put_line_start();
		put(" x");
		put_decimal(i);
		put_char('=');
		put_hex(f->x[i]);
		if (i % 8 == 7)
			put_char('\n');
	}
	put_register("sp", f->sp);
	put_register("pstate", f->pstate);
	put_char('\n');
}

noreturn void exception_report(const struct exception_frame *f)
{
	put_cpu_exception();
	put(class_word(f->esr));
	put(" at ");
	put_location(f->pc);
	put_register("esr", f->esr);
	put_register("far", f->far);
	put_char('\n');
	put_registers(f);
	platform_exit(NUMBER_CPU_EXCEPTION);
}
