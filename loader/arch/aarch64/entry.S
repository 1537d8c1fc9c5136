// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Entry without firmware services: from any exception level to C code at EL1.
//
// Entry: arch_entry, loaded at a multiple of 4 KiB.
//   x0, x1  passed on; their meaning depends on the boot protocol.
//   EL1, EL2 or EL3; MMU and caches on or off; any stack pointer.
// Exit:  arm64_start(x0, x1).
//   EL1, MMU and data cache off, DAIF masked, .bss zeroed, SP on the loader's own stack.
//   Vectors are the loader's, at EL2 as well if the loader was entered there or above.
//
// Data must not be accessed before SCTLR_ELx.EE has the byte order of this build. Firmware with
// caches on may have dirty lines of the loader's memory: they are cleaned before the MMU is
// disabled.
//
//   x19, x20  x0 and x1 at entry.
//   x21       1 if EL2 is the loader's.
//   x22, x23  limits of the loader.
//   x24       size of a data cache line.

#ifdef __AARCH64EB__
#define ORDER_EL1 0x03000000		// SCTLR_EL1.EE and E0E
#else
#define ORDER_EL1 0
#endif
// MMU and caches off, little-endian at EL2; everything else is RES1.
#define SCTLR_EL1_OFF (0x30d00800 | ORDER_EL1)
#define SCTLR_EL2_OFF 0x30c50830
#define R_AARCH64_RELATIVE 1027

	.section .start.text, "ax"
	.globl	arch_entry
arch_entry:
	msr	daifset, #15
	mov	x19, x0
	mov	x20, x1
	// One CPU boots: the one with affinity level 0 equal to 0.
	mrs	x2, mpidr_el1
	tst	x2, #0xff
	b.ne	park
	adrp	x22, loader_start
	adrp	x23, loader_end		// both are page-aligned
	mrs	x2, ctr_el0
	ubfx	x2, x2, #16, #4		// DminLine: log2 of the words of a line
	mov	x24, #4
	lsl	x24, x24, x2
	mov	x2, x22
1:	dc	civac, x2
	add	x2, x2, x24
	cmp	x2, x23
	b.lo	1b
	dsb	sy
	adr	x5, at_el1
	b	to_el1

// Secondary CPUs, if the boot loader releases all of them.
park:
	wfe
	b	park

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

// Non-secure state with AArch64 below (SCR_EL3), nothing traps to EL3.
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

// As Linux's el2_setup: EL1 may use timers, performance counters, GICv3 system registers and FP
// without traps. HCR_EL2 first, since E2H changes the layout of other registers.
at_el2:
	load32	w2, SCTLR_EL2_OFF
	msr	sctlr_el2, x2
	isb
	mov	x2, #1 << 31		// RW; E2H, TGE and HCD 0
	msr	hcr_el2, x2
	isb
	load32	w2, SCTLR_EL1_OFF
	msr	sctlr_el1, x2
	mov	x2, #3			// EL1PCTEN, EL1PCEN
	msr	cnthctl_el2, x2
	msr	cntvoff_el2, xzr
	mov	x2, #0x33ff		// RES1; no traps
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
2:	adrp	x2, exception_vectors	// their HVC entry serves calls from EL1
	add	x2, x2, :lo12:exception_vectors
	msr	vbar_el2, x2
	mov	x21, #1
	msr	elr_el2, x5
	mov	x2, #0x3c5
	msr	spsr_el2, x2
	eret

at_el1:
	// Discard lines that were fetched while caches were on: they become stale. They are clean.
	mov	x2, x22
1:	dc	ivac, x2
	add	x2, x2, x24
	cmp	x2, x23
	b.lo	1b
	dsb	sy
	bl	relocate_self
	// .bss is whole pages, so that 64 bytes per step are exact.
	adrp	x2, bss_start
	adrp	x3, loader_end
2:	stp	xzr, xzr, [x2], #64
	stp	xzr, xzr, [x2, #-48]
	stp	xzr, xzr, [x2, #-32]
	stp	xzr, xzr, [x2, #-16]
	cmp	x2, x3
	b.lo	2b
	adrp	x2, stack_top
	add	x2, x2, :lo12:stack_top
	mov	sp, x2
	bl	install_vectors
	mov	x0, x19
	mov	x1, x20
	mov	x29, xzr		// ends the chain of frame records
	mov	x30, xzr
	b	arm64_start

// Clobbers x2. TPIDR_EL1 is 0 while no exception is being reported.
install_vectors:
	adrp	x2, el2_present
	strb	w21, [x2, :lo12:el2_present]
	adrp	x2, exception_vectors
	add	x2, x2, :lo12:exception_vectors
	msr	vbar_el1, x2
	msr	tpidr_el1, xzr
	isb
	ret

// void mmu_on(root, tcr, mair): enables MMU and caches. Stale TLB entries and instructions are
// invalidated before: the CPU may use them from that moment. Clobbers x3 and x4.
	.globl	mmu_on
mmu_on:
	msr	mair_el1, x2
	msr	tcr_el1, x1
	msr	ttbr0_el1, x0
	isb
	tlbi	vmalle1
	ic	iallu
	dsb	sy
	isb
	mrs	x3, sctlr_el1
	mov	x4, #0x1005		// M, C, I
	orr	x3, x3, x4
	msr	sctlr_el1, x3
	isb
	ret

// void mmu_take_over(root, tcr, mair): the same under a firmware that maps memory identically, at
// EL1 or EL2. Returns at EL1 on the same stack, with the loader's vectors. No data is accessed
// while the MMU is off, so that the caches stay valid; the code has been cleaned to memory before.
	.globl	mmu_take_over
mmu_take_over:
	stp	x29, x30, [sp, #-32]!
	str	x21, [sp, #16]
	mov	x6, x2
	mov	x7, sp
	msr	daifset, #15
	adr	x5, 1f
	b	to_el1
1:	mov	sp, x7
	mov	x2, x6
	bl	mmu_on
	bl	install_vectors
	ldr	x21, [sp, #16]
	ldp	x29, x30, [sp], #32
	ret

// Applies the R_AARCH64_RELATIVE entries of .rela.dyn for the load address. A file linked to a
// fixed address has none. Clobbers x9 to x14.
	.globl	relocate_self
relocate_self:
	adrp	x9, loader_start
	adrp	x10, rela_start
	add	x10, x10, :lo12:rela_start
	adrp	x11, rela_end
	add	x11, x11, :lo12:rela_end
1:	cmp	x10, x11
	b.hs	2f
	ldp	x12, x13, [x10], #16	// offset, type
	ldr	x14, [x10], #8		// addend
	cmp	x13, #R_AARCH64_RELATIVE
	b.ne	1b
	add	x14, x14, x9
	str	x14, [x9, x12]
	b	1b
2:	ret

	.bss
	.balign	16
	.skip	0x4000
	.globl	stack_top
stack_top:
	.globl	el2_present
el2_present:
	.skip	16
