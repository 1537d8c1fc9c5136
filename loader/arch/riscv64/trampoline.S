/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * The trampoline and the exception vector. See trampoline.h.
 */

/* Offsets of struct trampoline_args. */
#define TRAMPOLINE_STACK 0
#define STACK            8
#define ENTRY            16
#define INFO             24
#define MOVE_TO          32
#define MOVE_FROM        40
#define MOVE_SIZE        48
#define HART             56

	.section .trampoline.text, "ax", @progbits
	.balign	4
	.globl	trampoline_enter, trap_vector

/*
 * Entry: a0 = struct trampoline_args in the block; S-mode, interrupts masked, satp 0.
 * Exit:  the application. pc, sp, a0 and a1 are from the arguments; sie, sscratch and satp are 0;
 *        stvec is app_vector. Other registers are undefined.
 *   s0  arguments.
 */
trampoline_enter:
	mv	s0, a0
	ld	t0, TRAMPOLINE_STACK(s0)
	csrw	sscratch, t0            /* stack of the exception report */
	lla	t0, trap_vector
	csrw	stvec, t0

	ld	t0, MOVE_SIZE(s0)
	beqz	t0, 3f
	/* Source and destination do not overlap. Fixed images may start at any address. */
	ld	t1, MOVE_TO(s0)
	ld	t2, MOVE_FROM(s0)
	add	t3, t1, t0
	or	t4, t1, t2
	andi	t4, t4, 7
	bnez	t4, 2f
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

	/* Other harts see the image before the application starts them. */
3:	fence	rw, rw
	fence.i
	lla	t0, app_vector
	csrw	stvec, t0
	csrw	sscratch, zero
	csrw	sie, zero
	csrw	satp, zero
	sfence.vma
	ld	sp, STACK(s0)
	ld	t0, ENTRY(s0)
	ld	a1, INFO(s0)
	ld	a0, HART(s0)
	jr	t0

	/*
	 * Until the application sets a vector of its own, a trap resets the machine: SBI system
	 * reset, cold reboot, no reason. A debugger finds the cause in scause, sepc and stval.
	 */
	.balign	4
app_vector:
	li	a7, 0x53525354          /* SRST */
	li	a6, 0
	li	a0, 1
	li	a1, 0
	ecall
	.balign	4
halt:	wfi
	j	halt

/*
 * Stores struct trap_frame of exception.c on the stack in sscratch, since sp may be the cause.
 * Calls exception_report, which does not return.
 */
	.balign	4
trap_vector:
	csrrw	sp, sscratch, sp
	addi	sp, sp, -272
	.irp	n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
	sd	x\n, (\n - 1) * 8(sp)
	.endr
	.irp	n, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	sd	x\n, (\n - 1) * 8(sp)
	.endr
	lla	t0, halt                /* a trap during the report halts the hart */
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
