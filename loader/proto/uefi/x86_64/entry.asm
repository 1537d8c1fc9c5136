; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; Entry point of the UEFI application (UEFI 2.10, 2.3.4).
;
; Entry: efi_entry, Microsoft's calling convention.
;   RCX  image handle.
;   RDX  system table.
;   64-bit mode, memory mapped identically, at least 128 KiB of stack.
; Exit:  uefi_start(RDI = handle, RSI = system table) on the firmware's stack, System V convention.

bits 64
default rel

global efi_entry, efi_return
extern loader_start, rela_start, rela_end, uefi_start

R_X86_64_RELATIVE equ 8

section .text.entry progbits alloc exec nowrite align=16

; Saves the callee-saved registers of Microsoft's convention for efi_return. Applies relocations.
efi_entry:
        push    rbx
        push    rbp
        push    rsi
        push    rdi
        push    r12
        push    r13
        push    r14
        push    r15
        pushfq
        cld

        lea     r8, [loader_start]      ; linked at 0, so this is the load offset as well
        lea     r9, [rela_start]
        lea     r10, [rela_end]
.next:  cmp     r9, r10
        jae     .done
        cmp     dword [r9 + 8], R_X86_64_RELATIVE
        jne     .unknown
        mov     r11, [r9]
        mov     rax, [r9 + 16]
        add     rax, r8
        mov     [r8 + r11], rax
        add     r9, 24
        jmp     .next
.unknown:
        ud2                             ; a PIE without PLT and GOT has no other type
.done:
        mov     [entry_stack], rsp
        mov     rdi, rcx
        mov     rsi, rdx
        and     rsp, -16                ; System V: aligned before the call
        xor     ebp, ebp
        call    uefi_start
        ud2

; void efi_return(status): returns RDI to the firmware, from any depth of calls.
efi_return:
        mov     rax, rdi
        mov     rsp, [entry_stack]
        popfq
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rdi
        pop     rsi
        pop     rbp
        pop     rbx
        ret

section .bss nobits alloc noexec write align=8
entry_stack:
        resq    1
