; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; The trampoline: moves the image, enters the application. See trampoline.h.

bits 64
default rel

global trampoline_enter, exception_vectors
extern exception_report

section .trampoline.text progbits alloc exec nowrite align=16

; Entry: RDI = struct trampoline_args in the block; interrupts masked; the loader's page tables, or
;        the firmware's.
; Exit:  the application. RIP, RSP, RDI and RSI are from the arguments. RBX, RCX and RDX are 0.
;        Segments are flat, FS and GS 0, the IDT is empty.
;        CR0 = PG, ET, MP, PE. CR4 = PAE. EFER = LME, LMA.
; RBX holds the arguments throughout. Numbers are offsets of struct trampoline_args.
trampoline_enter:
        mov     rbx, rdi
        mov     rsp, [rbx + 8]
        lgdt    [rbx + 88]
        lidt    [rbx + 98]
        mov     rax, [rbx]
        mov     cr3, rax                ; from here on only block, image and staging copy are mapped
        ; Undo what firmware or boot loader have enabled. CR4 first: CR4.CET requires CR0.WP (Intel
        ; SDM volume 3, Control Registers). EFER last: with NXE 0 the NX bit is reserved, and only
        ; the new tables have none set.
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
        mov     rdx, [rbx + 64]
        test    rdx, rdx
        jz      .go
        mov     rdi, [rbx + 48]         ; source and destination do not overlap
        mov     rsi, [rbx + 56]
        mov     rcx, rdx
        shr     rcx, 3
        rep movsq
        mov     ecx, edx
        and     ecx, 7
        rep movsb
        mov     rdi, [rbx + 72]
        mov     rcx, [rbx + 80]
        rep stosq                       ; clear the staging copy's entries: RAX is 0
        mov     rcx, cr3                ; flush the TLB
        mov     cr3, rcx

.go:    mov     rax, [rbx + 24]
        mov     rdi, [rbx + 32]
        mov     rsi, [rbx + 40]
        mov     rsp, [rbx + 16]
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
