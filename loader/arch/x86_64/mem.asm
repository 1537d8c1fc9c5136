; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; memcpy, memmove, memset: eight bytes per step by string instructions, which CPUs with fast string
; operations and hypervisors handle well, and which take little code.
;
; Entry: RDI = destination, RSI = source or byte, RDX = size (System V ABI); DF clear.
; Exit:  RAX = destination; RCX, RSI, RDI and (memset) R8 clobbered; DF clear.

bits 64
global memcpy, memmove, memset

section .text progbits alloc exec nowrite align=16

memmove:
        mov     rcx, rdi
        sub     rcx, rsi
        cmp     rcx, rdx
        jb      backwards               ; unsigned: the destination starts inside the source
memcpy:
        mov     rax, rdi
        mov     rcx, rdx
        shr     rcx, 3
        rep movsq
        mov     ecx, edx
        and     ecx, 7
        rep movsb
        ret

; Downwards, the remainder (size mod 8) is at the end, so it is copied first.
backwards:
        mov     rax, rdi
        mov     ecx, edx
        and     ecx, 7
        std
        lea     rdi, [rdi + rdx - 1]
        lea     rsi, [rsi + rdx - 1]
        rep movsb
        sub     rdi, 7                  ; from the last byte to the last quadword
        sub     rsi, 7
        mov     rcx, rdx
        shr     rcx, 3
        rep movsq
        cld
        ret

memset:
        mov     r8, rdi
        movzx   eax, sil
        mov     rcx, 0x0101010101010101
        imul    rax, rcx
        mov     rcx, rdx
        shr     rcx, 3
        rep stosq
        mov     ecx, edx
        and     ecx, 7
        rep stosb
        mov     rax, r8
        ret
