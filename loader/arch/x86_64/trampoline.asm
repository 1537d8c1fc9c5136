; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; See trampoline.h. Offsets are those of struct trampoline_args.

bits 64
default rel

global trampoline_enter, exception_vectors
extern exception_report

section .trampoline.text progbits alloc exec nowrite align=16

; rdi = struct trampoline_args, in the block. Interrupts are off. The loader's own tables are still in use.
trampoline_enter:
        mov     rbx, rdi
        mov     rsp, [rbx + 8]
        lgdt    [rbx + 88]
        lidt    [rbx + 98]
        mov     rax, [rbx]
        mov     cr3, rax                ; from here on only block and image are mapped, and what is to be moved
        ; Whatever the starter had switched on. In this order: protection that needs CR0.WP goes before it, and NX goes when no table has it.
        mov     eax, 1 << 5             ; CR4: PAE alone
        mov     cr4, rax
        mov     eax, 0x80000013         ; CR0: PG, ET, MP, PE; caches on, write protection off
        mov     cr0, rax
        mov     ecx, 0xc0000080         ; EFER: LME and LMA alone
        xor     edx, edx
        mov     eax, 1 << 8 | 1 << 10
        wrmsr
        push    qword 0x08
        lea     rax, [.flat]
        push    rax
        o64 retf
.flat:  mov     eax, 0x10
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        xor     eax, eax
        mov     fs, eax
        mov     gs, eax

        mov     rdx, [rbx + 64]
        test    rdx, rdx
        jz      .go
        mov     rdi, [rbx + 48]         ; disjoint from the source
        mov     rsi, [rbx + 56]
        mov     rcx, rdx
        shr     rcx, 3
        rep movsq
        mov     ecx, edx
        and     ecx, 7
        rep movsb
        mov     rdi, [rbx + 72]
        mov     rcx, [rbx + 80]
        rep stosq                       ; rax is 0
        mov     rcx, cr3
        mov     cr3, rcx

.go:    mov     rax, [rbx + 24]
        mov     rdi, [rbx + 32]
        mov     rsi, [rbx + 40]
        mov     rsp, [rbx + 16]
        lidt    [no_idt]                ; a fault in the application is its own affair
        xor     ebx, ebx
        xor     ecx, ecx
        xor     edx, edx
        jmp     rax

        align   8
no_idt: dw      0
        dq      0

; ---- exceptions: every stub leaves struct exception_frame of exception.c on the stack ----

ERROR_CODE      equ 0x00227d00          ; vectors 8, 10 to 14, 17 and 21: the CPU has pushed an error code

        align   16
exception_vectors:
%assign i 0
%rep 22
        align   16
%if (ERROR_CODE >> i) & 1 == 0
        push    byte 0
%endif
        push    byte i
        jmp     near vector
%assign i i + 1
%endrep

vector:
        push    r15
        push    r14
        push    r13
        push    r12
        push    r11
        push    r10
        push    r9
        push    r8
        push    rbp
        push    rdi
        push    rsi
        push    rdx
        push    rcx
        push    rbx
        push    rax
        cld
        mov     rdi, rsp
        call    exception_report
