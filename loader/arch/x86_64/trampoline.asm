; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; The trampoline: moves the image, enters the application. See trampoline.h.

bits 64
default rel

global trampoline_enter, exception_vectors
extern exception_report

; Offsets of struct trampoline_args.
ROOT             equ 0
TRAMPOLINE_STACK equ 8
STACK            equ 16
ENTRY            equ 24
ARG0             equ 32              ; RDI at the entry point
ARG1             equ 40              ; RSI at the entry point
MOVE_TO          equ 48              ; to, from and size of the move
MOVE_FROM        equ 56
MOVE_SIZE        equ 64
UNMAP_AT         equ 72
UNMAP_COUNT      equ 80
GDT_POINTER      equ 88
IDT_POINTER      equ 98

section .trampoline.text progbits alloc exec nowrite align=16

; Entry: RDI = struct trampoline_args in the block; interrupts masked; the loader's page tables, or
;        the firmware's.
; Exit:  the application. RIP, RSP, RDI and RSI are from the arguments. RBX, RCX and RDX are 0.
;        Segments are flat, FS and GS 0, the IDT is empty.
;        CR0 = PG, ET, MP, PE. CR4 = PAE. EFER = LME, LMA.
; RBX holds the arguments throughout.
trampoline_enter:
        mov     rbx, rdi
        mov     rsp, [rbx + TRAMPOLINE_STACK]
        lgdt    [rbx + GDT_POINTER]
        lidt    [rbx + IDT_POINTER]
        mov     rax, [rbx + ROOT]
        mov     cr3, rax                ; from here on only block, image and staging copy are mapped
        ; Undo what firmware or boot loader have enabled. CR4 first: CR4.CET requires CR0.WP (Intel
        ; SDM volume 3, Control Registers). EFER last: with NXE 0 the NX bit is reserved. The old
        ; tables may have it set, the new ones do not, so CR3 is loaded first.
        mov     eax, 1 << 5             ; CR4: PAE only
        mov     cr4, rax
        mov     eax, 0x80000013         ; CR0: PG, ET, MP, PE; caches on, write protection off
        mov     cr0, rax
        mov     ecx, 0xc0000080         ; EFER: LME and LMA only
        xor     edx, edx
        mov     eax, 1 << 8 | 1 << 10
        wrmsr
        ; Reload CS by a far return; the selectors of the old descriptor table are invalid.
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

        ; Faults during the move are still reported.
        mov     rdx, [rbx + MOVE_SIZE]
        test    rdx, rdx
        jz      .go
        mov     rdi, [rbx + MOVE_TO]    ; source and destination do not overlap
        mov     rsi, [rbx + MOVE_FROM]
        mov     rcx, rdx
        shr     rcx, 3
        rep movsq
        mov     ecx, edx
        and     ecx, 7
        rep movsb
        mov     rdi, [rbx + UNMAP_AT]
        mov     rcx, [rbx + UNMAP_COUNT]
        rep stosq                       ; clear the staging copy's entries: RAX is 0
        mov     rcx, cr3                ; flush the TLB
        mov     cr3, rcx

.go:    mov     rax, [rbx + ENTRY]
        mov     rdi, [rbx + ARG0]
        mov     rsi, [rbx + ARG1]
        mov     rsp, [rbx + STACK]
        lidt    [empty_idt]             ; limit 0: until the application has an IDT of its own,
                                        ; a fault resets the machine
        xor     ebx, ebx
        xor     ecx, ecx
        xor     edx, edx
        jmp     rax

        align   8
empty_idt: dw      0
        dq      0

; ---- exceptions ----
;
; Each stub completes the CPU's frame to struct exception_frame of exception.c: the vector, and 0 if
; the CPU pushes no error code. The stack is that of the interrupted code: IST is not used.

; Bit n: the CPU pushes an error code for vector n (8, 10 to 14, 17 and 21).
ERROR_CODE      equ 0x00227d00

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
