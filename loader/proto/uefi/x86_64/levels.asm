; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; From page tables of five levels to those of four, or back. The bit for that cannot be changed in 64-bit mode (Intel SDM 3A, 4.1.2), so paging
; is left for a moment. All of it runs from a copy below 4 GiB that can be written, where it lies at its physical address.

bits 64
default rel

global levels_start, levels_end

CODE32          equ 0x08
CODE64          equ 0x10

section .text.levels progbits alloc exec nowrite align=16

; rdi = CR3, rsi = CR4 from then on, both below 2^32. Everything else is as before when it returns.
levels_start:
        pushfq
        cli
        push    rbx
        sub     rsp, 16
        sgdt    [rsp]
        mov     [stack], rsp            ; high halves do not last outside of 64-bit mode
        mov     [selector], cs
        lea     rax, [gdt]
        mov     [gdt_pointer + 2], rax
        lea     rax, [.long]
        mov     [back], eax
        lea     rbx, [back]
        lgdt    [gdt_pointer]
        push    qword CODE32
        lea     rax, [.flat]
        push    rax
        o64 retf

bits 32
.flat:
        mov     eax, cr0
        btr     eax, 31
        mov     cr0, eax
        mov     cr3, edi
        mov     cr4, esi
        bts     eax, 31
        mov     cr0, eax
        jmp     far dword [cs:ebx]

bits 64
.long:
        mov     rsp, [stack]
        lgdt    [rsp]
        movzx   eax, word [selector]
        push    rax
        lea     rax, [.done]
        push    rax
        o64 retf
.done:
        add     rsp, 16
        pop     rbx
        popfq
        ret

        align   8
gdt:    dq      0, 0x00cf9b000000ffff, 0x00af9b000000ffff
gdt_pointer:
        dw      gdt_pointer - gdt - 1
        dq      0
back:   dd      0
        dw      CODE64
selector:
        dw      0
        align   8
stack:  dq      0
levels_end:
