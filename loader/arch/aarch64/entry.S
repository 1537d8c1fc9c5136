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

#define R_AARCH64_RELATIVE 1027

	.section .start.text, "ax"
	.globl	arch_entry
arch_entry:
	msr	daifset, #15
	mov	x19, x0
	mov	x20, x1
	// One CPU boots: the one with affinity level 0 equal to 0. Usually no other is started.
	// If all are, they must be one cluster without multithreading. Otherwise affinity level 0
	// is 0 once per cluster, or with MPIDR_EL1.MT once per core, and these CPUs run the loader
	// at the same time. A boot CPU with another number is parked.
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

at_el1:
	// Speculation may have refetched clean lines between the clean and SCTLR_ELx.C = 0. They go
	// stale when uncached stores follow: discard them.
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
