; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; Switches between 5-level and 4-level paging. CR4.LA57 cannot change in 64-bit mode (Intel SDM
; volume 3, Control Registers), so that paging is off in between.
;
; The code runs from a writable copy below 4 GiB that is identity-mapped, since 32-bit code executes
; at its physical address.

bits 64
default rel

global la57_switch_start, la57_switch_end

CODE32          equ 0x08
CODE64          equ 0x10

section .text.levels progbits alloc exec nowrite align=16

; void la57_switch(cr3, cr4)
; Entry: RDI = new CR3, RSI = new CR4, both below 2^32; 64-bit mode
; Exit:  GDT, CS, stack and RFLAGS are restored; RAX clobbered. Data segments are not reloaded.
la57_switch_start:
        pushfq
        cli
        push    rbx
        sub     rsp, 16
        sgdt    [rsp]
        mov     [stack], rsp            ; outside 64-bit mode bits 63 to 32 are undefined
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
        jmp     far dword [cs:ebx]      ; `back`, without a relocation

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
la57_switch_end:
