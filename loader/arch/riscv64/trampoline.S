/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * See trampoline.h. Offsets are those of struct trampoline_args.
 */

	.section .trampoline.text, "ax", @progbits
	.balign	4
	.globl	trampoline_enter, trap_vector

/* a0 = struct trampoline_args, in the block. Interrupts are off, satp is 0. */
trampoline_enter:
	mv	s0, a0
	ld	t0, 0(s0)
	csrw	sscratch, t0            /* the stack that is handed over serves the report until then */
	lla	t0, trap_vector
	csrw	stvec, t0

	ld	t0, 48(s0)              /* size */
	beqz	t0, 3f
	ld	t1, 32(s0)              /* to, disjoint from the source, both multiples of 4096 */
	ld	t2, 40(s0)              /* from */
	add	t3, t1, t0
	andi	t4, t3, -64
	beq	t1, t4, 2f
1:	.set	offset, 0
	.rept	4
	ld	a0, offset(t2)
	ld	a1, offset + 8(t2)
	sd	a0, offset(t1)
	sd	a1, offset + 8(t1)
	.set	offset, offset + 16
	.endr
	addi	t1, t1, 64
	addi	t2, t2, 64
	bne	t1, t4, 1b
2:	beq	t1, t3, 3f
	lbu	a0, 0(t2)
	sb	a0, 0(t1)
	addi	t1, t1, 1
	addi	t2, t2, 1
	j	2b

3:	fence	rw, rw
	fence.i
	lla	t0, app_vector
	csrw	stvec, t0
	csrw	sscratch, zero
	csrw	sie, zero
	csrw	satp, zero
	sfence.vma
	ld	sp, 8(s0)
	ld	t0, 16(s0)
	ld	a1, 24(s0)
	ld	a0, 56(s0)
	jr	t0

	/* A fault of the application before it has a vector is its own affair: the machine starts anew. scause, sepc and stval stay. */
	.balign	4
app_vector:
	li	a7, 0x53525354          /* SBI's system reset: cold reboot, no reason */
	li	a6, 0
	li	a0, 1
	li	a1, 0
	ecall
	.balign	4
halt:	wfi
	j	halt

/* Leaves struct trap_frame of exception.c on the stack. */
	.balign	4
trap_vector:
	csrrw	sp, sscratch, sp
	addi	sp, sp, -272
	.irp	n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	sd	x\n, (\n - 1) * 8(sp)
	.endr
	lla	t0, halt                /* one report only */
	csrw	stvec, t0
	csrr	t0, sscratch
	sd	t0, 8(sp)
	csrr	t0, scause
	sd	t0, 248(sp)
	csrr	t0, sepc
	sd	t0, 256(sp)
	csrr	t0, stval
	sd	t0, 264(sp)
	mv	a0, sp
	call	exception_report
