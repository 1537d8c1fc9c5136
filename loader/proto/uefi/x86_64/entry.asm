; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; UEFI Specification 2.10, 2.3.4: 64-bit mode, Microsoft's calling convention, at least 128 KiB of stack, memory mapped to itself.

bits 64
default rel

global efi_entry, entry_return
extern loader_start, rela_start, rela_end, uefi_start

R_X86_64_RELATIVE equ 8

section .text.entry progbits alloc exec nowrite align=16

; rcx = image handle, rdx = system table. Registers that the caller keeps are put where entry_return finds them.
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

        lea     r8, [loader_start]      ; linked at 0: also what every address has to be moved by
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
        ud2                             ; the linker script lets none through
.done:
        mov     [entry_stack], rsp
        mov     rdi, rcx
        mov     rsi, rdx
        and     rsp, -16
        xor     ebp, ebp
        call    uefi_start
        ud2

; rdi = status. Back to whoever called efi_entry, from however deep.
entry_return:
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
