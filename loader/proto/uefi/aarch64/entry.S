// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Entry point of the UEFI application (UEFI 2.10, 2.3.6).
//
// Entry: efi_entry, AAPCS64.
//   x0   image handle.
//   x1   system table.
//   x30  return address.
//   EL1 or EL2, MMU and caches on, memory mapped identically, at least 128 KiB of stack.
// Exit:  uefi_start(x0, x1) on the firmware's stack.

	.section .text.efi_entry, "ax"

// Saves the callee-saved registers for efi_return. relocate_self clobbers only x9 to x14.
	.globl	efi_entry
efi_entry:
	stp	x29, x30, [sp, #-96]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	bl	relocate_self
	mov	x9, sp
	adrp	x10, entry_stack
	str	x9, [x10, :lo12:entry_stack]
	mov	x29, xzr
	b	uefi_start

// void efi_return(status): returns x0 to the firmware, from any depth of calls.
	.globl	efi_return
efi_return:
	adrp	x10, entry_stack
	ldr	x9, [x10, :lo12:entry_stack]
	mov	sp, x9
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	x29, x30, [sp], #96
	ret

	.bss
	.balign	8
entry_stack:
	.skip	8
