/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Where the firmware comes in (RISC-V SBI specification, "hart state management": a0 = hart id, a1 = device tree, satp 0, S-mode). The first
 * byte of the file's lowest segment: fw_jump knows an address and no ELF entry point.
 */

	.section .start, "ax", @progbits
	.globl loader_entry
loader_entry:
	csrw	sie, zero
	csrci	sstatus, 2              /* SIE */
	/* Firmware without HSM starts every hart here: the first to come boots, the others wait for ever (proto/sbi leaves them this place). */
	lla	t0, lottery
	li	t1, 1
	amoadd.w.aqrl t2, t1, (t0)
	bnez	t2, park

	lla	t0, trap_stack_top
	csrw	sscratch, t0
	lla	t0, trap_vector
	csrw	stvec, t0
	csrw	satp, zero
	lla	sp, stack_top
	lla	t0, bss_start           /* both are multiples of 64 */
	lla	t1, bss_end
1:	.set	offset, 0
	.rept	8
	sd	zero, offset(t0)
	.set	offset, offset + 8
	.endr
	addi	t0, t0, 64
	bltu	t0, t1, 1b
	call	sbi_start

park:	wfi
	j	park

	.section .data, "aw", @progbits
	.balign	4
lottery:
	.word	0

	/* Not zeroed. The vector finds the top of its stack in sscratch. */
	.section .stack, "aw", @nobits
	.balign	16
	.skip	2048
trap_stack_top:
	.skip	16384
stack_top:
