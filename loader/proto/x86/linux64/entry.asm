; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; The 64-bit entry of Linux kernels (Documentation/arch/x86/boot.rst, "64-bit boot protocol").
;
; Entry: linux64_entry, the ELF entry point.
;   RSI  physical address of the zero page.
;   64-bit mode, ring 0; the loader is identity-mapped; everything else may have any state.
; Exit:  enter_long_mode with paging off: EBP = linux64_start, EDI = low, ESI = high half of RSI.
;
; CR4.LA57 can change only while paging is off. CR4.PCIDE can be cleared at any time in 64-bit mode,
; and must be 0 before CR0.PG is cleared. enter_long_mode then sets up the same state as for the
; other boot protocols.

CODE32          equ 0x18                ; selectors of entry.asm
DATA            equ 0x10
CR4_PAE         equ 1 << 5
CR4_LA57        equ 1 << 12             ; fixed in 64-bit mode (Intel SDM, Control Registers)

extern enter_long_mode, gdt_pointer, stack_top, linux64_start
global linux64_entry

section .entry.linux64 progbits alloc exec nowrite align=16
bits 64
default abs

linux64_entry:
        cli
        cld
        mov     esp, stack_top
        mov     edi, esi                ; 32-bit code has no room for all of RSI
        shr     rsi, 32
        lgdt    [gdt_pointer]
        mov     rax, cr4
        and     eax, CR4_PAE | CR4_LA57 ; clears PCIDE
        mov     cr4, rax
        push    qword CODE32
        push    qword .flat
        o64 retf

bits 32
.flat:
        mov     eax, DATA
        mov     ds, eax
        mov     eax, cr0
        btr     eax, 31                 ; PG 0 from compatibility mode leaves long mode
        mov     cr0, eax
        xor     edx, edx
        mov     ebp, linux64_start
        jmp     enter_long_mode
