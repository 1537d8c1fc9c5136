; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; The 64-bit entry of Linux kernels: 64-bit mode, rsi = zero page, the loader identity-mapped. Nothing else of the starter's machine is
; relied upon: paging is left, so that control registers, five levels and process contexts become what enter_long_mode sets.

CODE32          equ 0x18                ; of entry.asm
DATA            equ 0x10
CR4_PAE         equ 1 << 5
CR4_LA57        equ 1 << 12             ; cannot be changed in 64-bit mode

extern enter_long_mode, gdt_pointer, stack_top, linux64_start
global linux64_entry

section .start64 progbits alloc exec nowrite align=16
bits 64

linux64_entry:
        cli
        cld
        mov     esp, stack_top
        mov     edi, esi                ; the address in two halves
        shr     rsi, 32
        lgdt    [gdt_pointer]
        mov     rax, cr4
        and     eax, CR4_PAE | CR4_LA57 ; with process contexts on, paging could not be left
        mov     cr4, rax
        push    qword CODE32
        push    qword .flat
        o64 retf

bits 32
.flat:
        mov     eax, DATA
        mov     ds, eax
        mov     eax, cr0
        btr     eax, 31
        mov     cr0, eax
        xor     edx, edx
        mov     ebp, linux64_start
        jmp     enter_long_mode
