/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * The byte swaps that gcc calls on CPUs without an instruction for it (GCC internals, "routines for integer arithmetic"): a device tree is
 * big-endian.
 */

	.section .text.swap, "ax", @progbits
	.balign	4
	.globl	__bswapsi2, __bswapdi2

__bswapsi2:
	li	t0, 0x00ff00ff
	srliw	a1, a0, 8
	and	a1, a1, t0
	and	a0, a0, t0
	slliw	a0, a0, 8
	or	a0, a0, a1
	srliw	a1, a0, 16
	slliw	a0, a0, 16
	or	a0, a0, a1
	ret

__bswapdi2:
	li	t0, 0x00ff00ff
	slli	t1, t0, 32
	or	t0, t0, t1
	srli	a1, a0, 8
	and	a1, a1, t0
	and	a0, a0, t0
	slli	a0, a0, 8
	or	a0, a0, a1
	li	t0, 0xffff
	slli	t1, t0, 32
	or	t0, t0, t1
	srli	a1, a0, 16
	and	a1, a1, t0
	and	a0, a0, t0
	slli	a0, a0, 16
	or	a0, a0, a1
	srli	a1, a0, 32
	slli	a0, a0, 32
	or	a0, a0, a1
	ret
