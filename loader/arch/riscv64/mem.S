/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * memcpy, memmove, memset: 128 bytes per step if source and destination have the same alignment, as
 * an application's file and its image have. Otherwise bytes: misaligned accesses may trap to the
 * firmware, which is slow.
 *
 * Entry: a0 = destination, a1 = source or byte, a2 = size (RISC-V psABI, lp64)
 * Exit:  a0 = destination; a1, t0 to t6 clobbered
 */

	.section .text.mem, "ax", @progbits
	.balign	4
	.globl	memcpy, memmove, memset

memmove:
	sub	t0, a0, a1
	bltu	t0, a2, backwards       /* the destination starts inside the source */
memcpy:
	mv	t6, a0
	add	t5, a0, a2              /* end */
	xor	t0, a0, a1
	andi	t0, t0, 7
	bnez	t0, 6f
	li	t0, 16
	bltu	a2, t0, 6f
1:	andi	t0, t6, 7
	beqz	t0, 2f
	lbu	t1, 0(a1)
	sb	t1, 0(t6)
	addi	a1, a1, 1
	addi	t6, t6, 1
	j	1b
2:	sub	t0, t5, t6
	andi	t0, t0, -128
	beqz	t0, 4f
	add	t4, t6, t0
3:	.set	offset, 0
	.rept	4
	ld	t0, offset(a1)
	ld	t1, offset + 8(a1)
	ld	t2, offset + 16(a1)
	ld	t3, offset + 24(a1)
	sd	t0, offset(t6)
	sd	t1, offset + 8(t6)
	sd	t2, offset + 16(t6)
	sd	t3, offset + 24(t6)
	.set	offset, offset + 32
	.endr
	addi	a1, a1, 128
	addi	t6, t6, 128
	bne	t6, t4, 3b
4:	andi	t4, t5, -8
	beq	t6, t4, 6f
5:	ld	t0, 0(a1)
	sd	t0, 0(t6)
	addi	a1, a1, 8
	addi	t6, t6, 8
	bne	t6, t4, 5b
6:	beq	t6, t5, 8f
7:	lbu	t0, 0(a1)
	sb	t0, 0(t6)
	addi	a1, a1, 1
	addi	t6, t6, 1
	bne	t6, t5, 7b
8:	ret

backwards:
	add	t6, a0, a2              /* end of the bytes that remain */
	add	a1, a1, a2
	xor	t0, t6, a1
	andi	t0, t0, 7
	bnez	t0, 6f
	li	t0, 16
	bltu	a2, t0, 6f
1:	andi	t0, t6, 7
	beqz	t0, 2f
	lbu	t1, -1(a1)
	sb	t1, -1(t6)
	addi	a1, a1, -1
	addi	t6, t6, -1
	j	1b
2:	sub	t0, t6, a0
	andi	t0, t0, -128
	beqz	t0, 4f
	sub	t4, t6, t0
3:	.set	offset, -32
	.rept	4
	ld	t0, offset + 24(a1)
	ld	t1, offset + 16(a1)
	ld	t2, offset + 8(a1)
	ld	t3, offset(a1)
	sd	t0, offset + 24(t6)
	sd	t1, offset + 16(t6)
	sd	t2, offset + 8(t6)
	sd	t3, offset(t6)
	.set	offset, offset - 32
	.endr
	addi	a1, a1, -128
	addi	t6, t6, -128
	bne	t6, t4, 3b
4:	addi	t4, a0, 7
	andi	t4, t4, -8
	beq	t6, t4, 6f
5:	ld	t0, -8(a1)
	sd	t0, -8(t6)
	addi	a1, a1, -8
	addi	t6, t6, -8
	bne	t6, t4, 5b
6:	beq	t6, a0, 8f
7:	lbu	t0, -1(a1)
	sb	t0, -1(t6)
	addi	a1, a1, -1
	addi	t6, t6, -1
	bne	t6, a0, 7b
8:	ret

memset:
	mv	t6, a0
	add	t5, a0, a2
	li	t0, 16
	bltu	a2, t0, 6f
	andi	a1, a1, 255
	slli	t0, a1, 8
	or	a1, a1, t0
	slli	t0, a1, 16
	or	a1, a1, t0
	slli	t0, a1, 32
	or	a1, a1, t0
1:	andi	t0, t6, 7
	beqz	t0, 2f
	sb	a1, 0(t6)
	addi	t6, t6, 1
	j	1b
2:	sub	t0, t5, t6
	andi	t0, t0, -128
	beqz	t0, 4f
	add	t4, t6, t0
3:	.set	offset, 0
	.rept	16
	sd	a1, offset(t6)
	.set	offset, offset + 8
	.endr
	addi	t6, t6, 128
	bne	t6, t4, 3b
4:	andi	t4, t5, -8
	beq	t6, t4, 6f
5:	sd	a1, 0(t6)
	addi	t6, t6, 8
	bne	t6, t4, 5b
6:	beq	t6, t5, 8f
7:	sb	a1, 0(t6)
	addi	t6, t6, 1
	bne	t6, t5, 7b
8:	ret
