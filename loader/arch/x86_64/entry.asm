; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; From 32-bit protected mode without paging to 64-bit mode.
;
; In:  enter_long_mode: flat 32-bit segments, interrupts may be in any state, ebp = the protocol's C function, edi and esi are passed on
; Out: that function (edi, esi) in 64-bit mode, interrupts off, on the loader's own stack, only the loader's own memory mapped (2 MiB pages)
; A CPU without 64-bit mode, or an exception on the way, ends with the loader's error line and number.

%include "status.inc"                   ; generated from core/status.h: STATUS_CPU_NO_LONG_MODE, STATUS_CPU_EXCEPTION

COM1            equ 0x3f8
DEBUG_EXIT      equ 0xf4
CODE64          equ 0x08
DATA            equ 0x10
CODE32          equ 0x18

extern early_large_pages
extern early_pml4, early_pdpt, early_pd
global enter_long_mode, gdt_pointer

section .start32 progbits alloc exec write align=16
bits 32

enter_long_mode:
        cli
        cld
        mov     esp, stack_top
        lgdt    [gdt_pointer]
        jmp     CODE32:.flat            ; the starter's descriptor table may be gone
.flat:
        mov     eax, DATA
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        xor     eax, eax
        mov     fs, eax
        mov     gs, eax
        lidt    [idt32_pointer]
%ifdef LOADER_SELFTEST
        cmp     edx, 0x5e1f7e57         ; a starter that wants to see an exception here leaves this
        jne     .sound
        xor     ecx, ecx
        div     ecx
.sound:
%endif

        mov     eax, 0x80000000
        cpuid
        cmp     eax, 0x80000001
        jb      no_long_mode
        mov     eax, 0x80000001
        cpuid
        bt      edx, 29
        jnc     no_long_mode
        ; Tables lie in memory that the starter has zeroed.
        mov     dword [early_pml4], early_pdpt + 3
        mov     eax, early_pd + 3
        mov     ecx, 4                  ; 4 GiB
        mov     edx, early_pdpt
.pdpt:  mov     [edx], eax
        add     eax, 0x1000
        add     edx, 8
        dec     ecx
        jnz     .pdpt
        mov     eax, 0x83
        mov     ecx, early_large_pages
        mov     edx, early_pd
.pd:    mov     [edx], eax
        add     eax, 0x200000
        add     edx, 8
        dec     ecx
        jnz     .pd

        mov     eax, 1 << 5             ; CR4: PAE alone
        mov     cr4, eax
        mov     eax, early_pml4
        mov     cr3, eax
        mov     ecx, 0xc0000080         ; EFER: LME alone
        xor     edx, edx
        mov     eax, 1 << 8
        wrmsr
        mov     eax, 0x80000013         ; CR0: PG, ET, MP, PE; caches on, write protection off
        mov     cr0, eax
        jmp     CODE64:enter_c

bits 64
enter_c:
        mov     esp, stack_top
        mov     eax, ebp
        xor     ebp, ebp
        call    rax
        ud2

bits 32
no_long_mode:
        mov     esi, no_long_mode_text
        mov     ebx, STATUS_CPU_NO_LONG_MODE
        call    print
        jmp     stop

; ---- exceptions before 64-bit mode: vector, and the address of the instruction ----

%macro stub32 1
stub32_%1:
        push    byte %1
        jmp     near exception32
%endmacro

STUB32_SIZE     equ 7

stubs32:
%assign i 0
%rep 20
        stub32 i
%assign i i + 1
%endrep

; The CPU pushes an error code for vectors 8, 10 to 14 and 17.
exception32:
        cld
        pop     eax
        mov     ebx, [esp]
        mov     ecx, 0x00027d00
        bt      ecx, eax
        jnc     .no_code
        mov     ebx, [esp + 4]
.no_code:
        mov     edi, exception_vector
        call    hex8
        mov     eax, ebx
        mov     edi, exception_address
        call    hex32
        mov     esi, exception_text
        mov     ebx, STATUS_CPU_EXCEPTION
        call    print
        jmp     stop

; eax as eight (hex32), or al as two (hex8), lower-case digits at edi
hex32:  mov     ecx, 8
        jmp     hex
hex8:   mov     ecx, 2
        shl     eax, 24
hex:    rol     eax, 4
        mov     edx, eax
        and     edx, 15
        mov     dl, [digits + edx]
        mov     [edi], dl
        inc     edi
        loop    hex
        ret

; The text at esi, up to a zero byte. Line settings as in dev/uart_16550.c.
print:
        mov     edi, uart_settings
.set:   mov     dx, [edi]
        test    dx, dx
        jz      .next
        mov     al, [edi + 2]
        out     dx, al
        add     edi, 3
        jmp     .set
.next:  mov     ecx, 0x10000
        mov     dx, COM1 + 5
.wait:  in      al, dx
        test    al, 0x20
        loopz   .wait
        lodsb
        test    al, al
        jz      .done
        mov     dx, COM1
        out     dx, al
        jmp     .next
.done:  ret

; Ends the machine with the status in ebx, as dev/isa_debug_exit.h does.
stop:
        in      al, DEBUG_EXIT
        test    al, al
        jnz     .halt
        mov     eax, ebx
        shr     eax, 1
        out     DEBUG_EXIT, eax
.halt:  cli
        hlt
        jmp     .halt

uart_settings:
        dw      COM1 + 3
        db      0x80
        dw      COM1
        db      1
        dw      COM1 + 1
        db      0
        dw      COM1 + 3
        db      3
        dw      COM1 + 1
        db      0
        dw      0

digits: db      "0123456789abcdef"
no_long_mode_text:
        db      "[LOADER][ERROR] ", STATUS_CPU_NO_LONG_MODE_TEXT, ": the CPU has no 64-bit mode (CPUID 0x80000001 EDX bit 29)", 10, 0
exception_text:
        db      "[LOADER][ERROR] ", STATUS_CPU_EXCEPTION_TEXT, ": vector 0x"
exception_vector:
        db      "00 at 0x"
exception_address:
        db      "00000000, before 64-bit mode", 10, 0

        align   8
gdt:    dq      0
        dq      0x00af9b000000ffff      ; CODE64
        dq      0x00cf93000000ffff      ; DATA
        dq      0x00cf9b000000ffff      ; CODE32
gdt_end:
gdt_pointer:                            ; as 64-bit code reads it, too
        dw      gdt_end - gdt - 1
        dq      gdt

        align   8
; A gate holds its address in two halves, which no relocation can express. This section begins at 0x100000 (ld/x86-sections.ld asserts it): the halves
; are known here.
idt32:
%assign i 0
%rep 20
        dw      stubs32 - enter_long_mode + i * STUB32_SIZE, CODE32, 0x8e00, 0x10
%assign i i + 1
%endrep
idt32_end:
idt32_pointer:
        dw      idt32_end - idt32 - 1
        dd      idt32

section .bss nobits alloc noexec write align=16
global stack_top
        resb    0x4000
stack_top:
