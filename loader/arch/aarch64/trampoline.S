// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// The trampoline and the exception vectors. See trampoline.h.

// Offsets of struct trampoline_args.
#define TRAMPOLINE_STACK	0
#define ROOT		8		// ROOT, TCR
#define SCTLR		24
#define COPY_ROOT	32
#define MOVE_TO		40		// MOVE_TO, MOVE_FROM
#define MOVE_SIZE	56
#define IMAGE		64		// start, end
#define BLOCK		80		// start, end
#define EL2		96
#define STACK		104
#define ENTRY		112
#define INFO		120
#define TOUCH		128

#ifdef __AARCH64EB__
#define ORDER_EL1 0x03000000		// SCTLR_EL1.EE and E0E
#else
#define ORDER_EL1 0
#endif
// MMU and caches off, little-endian at EL2; everything else is RES1.
#define SCTLR_EL1_OFF (0x30d00800 | ORDER_EL1)
#define SCTLR_EL2_OFF 0x30c50830

// Immediate of the loader's own HVC: VBAR_EL2 = x1.
#define HVC_VECTORS	0x4c4

// Exception class of a trapped SMC in ESR_EL2.
#define EC_SMC		0x17
// PSCI CPU_ON (Arm DEN 0022). Bit 30 distinguishes its 64-bit form.
#define CPU_ON		0x84000003
// CPUs that are started at EL1: those whose target of CPU_ON, the affinity, is below 16. Kernels
// identify CPUs by affinity level 0.
#define CPU_SLOTS	16

	.section .trampoline.text, "ax"

// Vectors of EL1 and EL2. The ninth entry is for synchronous exceptions of a lower level and
// branches to el2_call: at EL2 it gets HVC and SMC of EL1, at EL1 nothing, since EL0 has no code.
// The others report an exception of EL1.
	.balign	2048
	.globl	exception_vectors
exception_vectors:
	.rept	8
	.balign	128
	b	exception
	.endr

	.balign	128
	b	el2_call

	.rept	7
	.balign	128
	b	exception
	.endr
	.balign	128

// Entry: x0 = struct trampoline_args in the block; EL1, DAIF masked; the loader's page tables.
// Exit:  the application at EL1. PC, SP and x0 are from the arguments. x1 to x3, x19, x20, x29, x30
//        and VBAR_EL1 are 0. The kernel's page tables are in use, FP and SIMD are enabled.
//   x19  arguments.
//   x20  vectors of the copy.
	.globl	trampoline_enter
trampoline_enter:
	mov	x19, x0
	ldr	x1, [x19, #TRAMPOLINE_STACK]
	mov	sp, x1
	adr	x20, exception_vectors
	msr	vbar_el1, x20
	isb
	ldr	x2, [x19, #MOVE_SIZE]
	cbz	x2, 4f
	// The image may overwrite the loader's top table: continue with its copy.
	ldr	x3, [x19, #COPY_ROOT]
	dsb	ish
	msr	ttbr0_el1, x3
	isb
	tlbi	vmalle1
	dsb	ish
	isb
	ldp	x0, x1, [x19, #MOVE_TO]	// source and destination do not overlap
1:	subs	x2, x2, #16
	b.lo	2f
	ldp	x3, x4, [x1], #16
	stp	x3, x4, [x0], #16
	b	1b
2:	adds	x2, x2, #16
	b.eq	4f
3:	ldrb	w3, [x1], #1
	strb	w3, [x0], #1
	subs	x2, x2, #1
	b.ne	3b

	// The kernel's first accesses may be uncached, and instruction fetches are not coherent
	// with the data cache: clean to the point of coherency.
4:	ldp	x0, x1, [x19, #IMAGE]
	bl	clean
	ldp	x0, x1, [x19, #BLOCK]
	bl	clean
	ic	iallu
	dsb	sy
	isb
	ldr	x2, [x19, #EL2]
	cbz	x2, 5f
	mov	x1, x20
	hvc	#HVC_VECTORS

	// Change TCR_EL1, MAIR_EL1 and TTBR0_EL1 with the MMU off: a break-before-make for all
	// entries at once.
5:	mrs	x0, sctlr_el1
	mov	x1, #0x1005		// M, C, I
	bic	x0, x0, x1
	msr	sctlr_el1, x0
	isb
	ldp	x0, x1, [x19, #ROOT]
	ldr	x2, mair
	msr	mair_el1, x2
	msr	tcr_el1, x1
	msr	ttbr0_el1, x0
	msr	ttbr1_el1, xzr
	mov	x2, #3 << 20		// FPEN: FP and SIMD do not trap
	msr	cpacr_el1, x2
	msr	mdscr_el1, xzr
	isb
	tlbi	vmalle1
	ic	iallu
	dsb	sy
	isb
	ldr	x0, [x19, #SCTLR]
	msr	sctlr_el1, x0
	isb

	ldr	x2, [x19, #TOUCH]
	cbz	x2, 6f
	ldr	x2, [x2]
6:	ldp	x3, x4, [x19, #STACK]	// STACK, ENTRY
	ldr	x0, [x19, #INFO]
	mov	sp, x3
	msr	vbar_el1, xzr		// from here on exceptions are the application's
	msr	tpidr_el0, xzr
	msr	tpidrro_el0, xzr
	msr	tpidr_el1, xzr
	isb
	mov	x1, xzr			// CPU number: the kernel parks all but CPU 0
	mov	x2, xzr
	mov	x3, xzr
	mov	x19, xzr
	mov	x20, xzr
	mov	x29, xzr
	mov	x30, xzr
	br	x4

// Cleans and invalidates [x0, x1) to the point of coherency. Clobbers x0, x2, x3.
clean:
	mrs	x2, ctr_el0
	ubfx	x2, x2, #16, #4
	mov	x3, #4
	lsl	x2, x3, x2
	sub	x3, x2, #1
	bic	x0, x0, x3
1:	dc	civac, x0
	add	x0, x0, x2
	cmp	x0, x1
	b.lo	1b
	dsb	sy
	ret

// ---- to EL1 ----

	.macro	load32 register, value
	mov	\register, #(\value) & 0xffff
	movk	\register, #(\value) >> 16, lsl #16
	.endm

// Jumps to x5 at EL1 with MMU and caches off. Accesses no data, because cached data may be newer
// than memory. Returns x21. Clobbers x2 to x4.
	.globl	to_el1
to_el1:
	mov	x21, #0
	mrs	x2, CurrentEL
	cmp	x2, #2 << 2
	b.hi	at_el3
	b.eq	at_el2
	load32	w2, SCTLR_EL1_OFF
	msr	sctlr_el1, x2
	isb
	msr	spsel, #1
	br	x5

// Non-secure state with AArch64 below (SCR_EL3). FP, SIMD, debug and performance registers do not
// trap to EL3. FEAT_SVE, FEAT_SME and FEAT_PAuth do, since CPTR_EL3.EZ and ESM, SCR_EL3.API and
// APK are 0: kernels use none of them.
at_el3:
	mrs	x2, sctlr_el3
	mov	x3, #0x1005		// M, C, I
	bic	x2, x2, x3
	msr	sctlr_el3, x2
	isb
	mov	x2, #0x531		// RW, HCE, NS and RES1
	msr	scr_el3, x2
	msr	cptr_el3, xzr
	msr	mdcr_el3, xzr
	mrs	x3, id_aa64pfr0_el1
	tst	x3, #0xf << 24		// GIC: system registers exist
	b.eq	1f
	mov	x2, #0xf
	msr	S3_6_C12_C12_5, x2	// ICC_SRE_EL3
1:	isb
	tst	x3, #0xf << 8		// EL2 exists
	adr	x2, at_el2
	mov	x4, #0x3c9		// SPSR: EL2h, DAIF masked
	b.ne	2f
	load32	w2, SCTLR_EL1_OFF
	msr	sctlr_el1, x2
	mov	x2, x5
	mov	x4, #0x3c5		// SPSR: EL1h, DAIF masked
2:	msr	elr_el3, x2
	msr	spsr_el3, x4
	eret

// HVC and SMC from EL1. Kernels rely on all registers but x0; SP and TPIDR_EL2 save x16 and x17.
//
// 1. HVC_VECTORS, the loader's own call, sets VBAR_EL2.
// 2. Everything else is taken for PSCI and passed to the firmware, which serves SMC if there is an
//    EL2. A trapped SMC returns to the instruction after it.
// 3. The firmware would start CPUs at EL2, where kernels do not expect to be. So CPU_ON of a target
//    below CPU_SLOTS stores entry point and context in a slot, and passes cpu_started and the slot
//    instead.
// 4. All other calls are passed on unchanged. A CPU with a target of CPU_SLOTS or more therefore
//    starts at the kernel's entry point at EL2.
el2_call:
	msr	tpidr_el2, x17
	mov	sp, x16
	mrs	x17, esr_el2
	lsr	w16, w17, #26
	cmp	w16, #EC_SMC
	b.eq	1f
	and	w17, w17, #0xffff
	cmp	w17, #HVC_VECTORS
	b.ne	2f
	mov	x16, sp
	mrs	x17, tpidr_el2
	msr	vbar_el2, x1
	isb
	eret
1:	mrs	x16, elr_el2		// the address of the SMC itself
	add	x16, x16, #4
	msr	elr_el2, x16
2:	bic	w16, w0, #1 << 30
	load32	w17, CPU_ON
	cmp	w16, w17
	ccmp	x1, #CPU_SLOTS, #2, eq	// C if it is another call
	b.hs	3f
	adr	x17, cpu_slots
	add	x17, x17, x1, lsl #5
	stp	x2, x3, [x17]
	mov	x16, sp
	mov	sp, x17
	mrs	x17, tpidr_el2
	stp	x16, x17, [sp, #16]
	dsb	sy
	adr	x2, cpu_started
	mov	x3, sp
	smc	#0
	ldp	x2, x3, [sp]
	ldp	x16, x17, [sp, #16]
	eret
3:	mov	x16, sp
	mrs	x17, tpidr_el2
	smc	#0
	eret

// A CPU that CPU_ON has started. Entry: EL2, MMU off, x0 = its slot. Exit: the kernel's entry point
// at EL1, x0 = the kernel's context.
cpu_started:
	ldp	x5, x0, [x0]
	// Falls through.

// As Linux's el2_setup: EL1 may use timers, performance counters, GICv3 system registers and FP
// without traps. HCR_EL2 before the registers below, since E2H changes their layout. SMC traps to
// EL2, because the firmware would start CPUs at EL2.
at_el2:
	load32	w2, SCTLR_EL2_OFF
	msr	sctlr_el2, x2
	isb
	mov	x2, #1 << 31 | 1 << 19	// RW, TSC; E2H, TGE and HCD 0
	msr	hcr_el2, x2
	isb
	load32	w2, SCTLR_EL1_OFF
	msr	sctlr_el1, x2
	mov	x2, #3			// EL1PCTEN, EL1PCEN
	msr	cnthctl_el2, x2
	msr	cntvoff_el2, xzr
	// FP and SIMD do not trap. TZ and TSM are RES1 on a CPU without FEAT_SVE and FEAT_SME. On
	// others these trap: Linux clears both bits, but Hermit kernels use neither.
	mov	x2, #0x33ff
	msr	cptr_el2, x2
	msr	hstr_el2, xzr
	msr	vttbr_el2, xzr
	mrs	x2, id_aa64dfr0_el1
	ubfx	x2, x2, #8, #4		// PMUVer; 0: none, 15: not PMUv3
	mov	x3, #0
	cbz	x2, 1f
	cmp	x2, #0xf
	b.eq	1f
	mrs	x3, pmcr_el0
	ubfx	x3, x3, #11, #5		// HPMN = PMCR_EL0.N: EL1 has all counters
1:	msr	mdcr_el2, x3
	// EL1 reads these instead of the CPU's own.
	mrs	x2, midr_el1
	msr	vpidr_el2, x2
	mrs	x2, mpidr_el1
	msr	vmpidr_el2, x2
	mrs	x2, id_aa64pfr0_el1
	tst	x2, #0xf << 24
	b.eq	2f
	mov	x2, #9			// ICC_SRE_EL2: SRE, Enable
	msr	S3_4_C12_C9_5, x2
	isb
	msr	S3_4_C12_C11_0, xzr	// ICH_HCR_EL2
2:	adr	x2, exception_vectors	// one entry serves calls from EL1
	msr	vbar_el2, x2
	mov	x21, #1
	msr	elr_el2, x5
	mov	x2, #0x3c5
	msr	spsr_el2, x2
	eret

// Per CPU: entry point, context, x16 and x17 of the caller. Written and read at EL2, whose MMU is
// off.
	.balign	32
cpu_slots:
	.skip	32 * CPU_SLOTS

	.balign	8
mair:	.quad	0x000000ff440c0400	// MAIR_VALUE of cpu.h

// ---- instructions that may raise an exception ----
//
// An exception between the two labels skips the instruction and keeps x0, as fixups in Linux do.

fixup_start:
	.globl	semihosting_call, hvc_call, smc_call, probe_read32
semihosting_call:
	hlt	#0xf000
	ret
hvc_call:
	hvc	#0
	ret
smc_call:
	smc	#0
	ret
probe_read32:
	mov	x1, x0
	mov	w0, wzr
	ldr	w0, [x1]
	ret
fixup_end:

// ---- exceptions ----

// Saves the state in exception_frame. Uses no stack, because SP may be the cause; TPIDR_EL0 and
// TPIDRRO_EL0 keep x0 and x1. TPIDR_EL1 is 1 while an exception is being reported: a second one
// ends the machine.
exception:
	msr	tpidr_el0, x0
	msr	tpidrro_el0, x1
	mrs	x0, elr_el1
	adr	x1, fixup_start
	cmp	x0, x1
	b.lo	1f
	adr	x1, fixup_end
	cmp	x0, x1
	b.lo	skip_instruction
1:	mrs	x0, tpidr_el1
	cbnz	x0, 2f
	mov	x0, #1
	msr	tpidr_el1, x0
	adr	x0, exception_frame
	stp	x2, x3, [x0, #16]
	stp	x4, x5, [x0, #32]
	stp	x6, x7, [x0, #48]
	stp	x8, x9, [x0, #64]
	stp	x10, x11, [x0, #80]
	stp	x12, x13, [x0, #96]
	stp	x14, x15, [x0, #112]
	stp	x16, x17, [x0, #128]
	stp	x18, x19, [x0, #144]
	stp	x20, x21, [x0, #160]
	stp	x22, x23, [x0, #176]
	stp	x24, x25, [x0, #192]
	stp	x26, x27, [x0, #208]
	stp	x28, x29, [x0, #224]
	mrs	x1, tpidr_el0
	mrs	x2, tpidrro_el0
	stp	x1, x2, [x0]
	mov	x1, sp
	stp	x30, x1, [x0, #240]
	mrs	x1, elr_el1
	mrs	x2, spsr_el1
	stp	x1, x2, [x0, #256]
	mrs	x1, esr_el1
	mrs	x2, far_el1
	stp	x1, x2, [x0, #272]
	adr	x1, exception_stack_top
	mov	sp, x1
	bl	exception_report
2:	mov	x0, #101		// STATUS_CPU_EXCEPTION
	adr	x1, exception_stack_top
	mov	sp, x1
	bl	platform_exit

skip_instruction:
	add	x0, x0, #4
	msr	elr_el1, x0
	mrs	x0, tpidr_el0
	mrs	x1, tpidrro_el0
	eret

	.balign	16
	.skip	1024
exception_stack_top:
