/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Entry from SBI firmware to C code.
 *
 * Entry: loader_entry, the first byte of the lowest segment. OpenSBI's fw_jump knows an address and
 *        no ELF entry point.
 *   a0  hart id.
 *   a1  physical address of the device tree.
 *   S-mode, satp 0 (SBI specification 2.0, chapter 9: hart start).
 * Exit:  sbi_start(a0, a1).
 *   S-mode, satp 0, interrupts masked, .bss zeroed, sp on the loader's own stack.
 *   stvec is trap_vector, sscratch the top of its stack.
 */

	.section .start, "ax", @progbits
	.globl loader_entry
loader_entry:
	csrw	sie, zero
	csrci	sstatus, 2              /* SIE */
	/*
	 * The first hart boots. Others come here from firmware without the HSM extension, which
	 * starts all harts, and by sbi_settle_harts().
	 */
	lla	t0, hart_lottery
	li	t1, 1
	amoadd.w.aqrl t2, t1, (t0)
	bnez	t2, park

	lla	t0, trap_stack_top
	csrw	sscratch, t0
	lla	t0, trap_vector
	csrw	stvec, t0
	csrw	satp, zero
	lla	sp, stack_top
	lla	t0, bss_start           /* both limits are multiples of 64 */
	lla	t1, bss_end
1:	.set	offset, 0
	.rept	8
	sd	zero, offset(t0)
	.set	offset, offset + 8
	.endr
	addi	t0, t0, 64
	bltu	t0, t1, 1b
	call	sbi_start

	/*
	 * SBI specification 2.0, 9.2: hart_stop. The kernel can start the hart later. Without HSM
	 * the call returns and the hart waits forever: proto/sbi keeps this code from being
	 * overwritten.
	 */
park:	li	a7, 0x48534d
	li	a6, 1
	ecall
1:	wfi
	j	1b

	/* Not in .bss, which the boot hart zeroes while others arrive. */
	.section .data, "aw", @progbits
	.balign	4
hart_lottery:
	.word	0

	/* Stacks are not zeroed: 2 KiB for trap_vector, 16 KiB for C code. */
	.section .stack, "aw", @nobits
	.balign	16
	.skip	2048
trap_stack_top:
	.skip	16384
stack_top:
