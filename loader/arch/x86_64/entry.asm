; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; From 32-bit protected mode without paging to C code in 64-bit mode.
;
; Entry: enter_long_mode, from the entry point of a boot protocol.
;   CS, DS, ES, SS  flat 32-bit segments; the descriptor table may be gone.
;   EBP             the protocol's C function.
;   EDI, ESI        its two arguments.
;   EDX             ignored. Debug profile: a self-test's magic number. A test enters by
;                   Multiboot with it; the other protocols set EDX to 0.
;   EFLAGS, ESP     any.
; Exit: C function(EDI, ESI).
;   64-bit mode, interrupts masked, RSP on the loader's own stack.
;   Page tables map 0 to the loader's end, identically, by 2 MiB pages.
; A CPU without 64-bit mode ends the machine with the loader's error line and status. So does an
; exception between LIDT and CR0.PG. From there to platform_open() one is a triple fault.

; Generated from core/status.h.
%include "status.inc"

COM1            equ 0x3f8
DEBUG_EXIT      equ 0xf4
CODE64          equ 0x08
DATA            equ 0x10
CODE32          equ 0x18

extern early_large_pages                ; a number: ld/x86-sections.ld
extern early_pml4, early_pdpt, early_pd
global enter_long_mode, gdt_pointer

; The linker script puts this section first: idt32 relies on its address.
section .start32 progbits alloc exec write align=16
bits 32

enter_long_mode:
        cli
        cld
        mov     esp, stack_top
        lgdt    [gdt_pointer]
        jmp     CODE32:.flat            ; reload CS while the old descriptor is cached
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
        cmp     edx, 0x5e1f7e57         ; set by a test: raise a divide error here
        jne     .sound
        xor     ecx, ecx
        div     ecx
.sound:
%endif

        ; 64-bit mode is bit 29 of EDX in CPUID leaf 0x80000001, which older CPUs lack (AMD64 APM
        ; volume 3, appendix E.4). CPUID itself exists wherever these boot protocols do.
        mov     eax, 0x80000000
        cpuid
        cmp     eax, 0x80000001
        jb      no_long_mode
        mov     eax, 0x80000001
        cpuid
        bt      edx, 29
        jnc     no_long_mode
        ; The tables are in .bss, which the boot loader has zeroed. Entries are present and
        ; writable (3), large pages as well (0x83).
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

        ; Long-mode activation (AMD64 APM volume 2, 14.6): PAE, CR3, EFER.LME, then CR0.PG.
        mov     eax, 1 << 5             ; CR4: PAE only
        mov     cr4, eax
        mov     eax, early_pml4
        mov     cr3, eax
        mov     ecx, 0xc0000080         ; EFER: LME only
        xor     edx, edx
        mov     eax, 1 << 8
        wrmsr
        mov     eax, 0x80000013         ; CR0: PG, ET, MP, PE; caches on, write protection off
        mov     cr0, eax
        jmp     CODE64:enter_c

bits 64
default abs
enter_c:
        mov     esp, stack_top          ; zero-extends: bits 63 to 32 were undefined
        mov     eax, ebp
        xor     ebp, ebp                ; ends the chain of frame pointers
        call    rax
        ud2

bits 32
no_long_mode:
        mov     esi, no_long_mode_text
        mov     ebx, STATUS_CPU_NO_LONG_MODE
        call    print
        jmp     stop

; ---- exceptions before 64-bit mode ----
;
; One stub per vector. Stubs have one size (push imm8, jmp rel32), because idt32 computes their
; addresses.

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

; Entry: [esp] = vector, then the CPU's frame. Vectors 8, 10 to 14 and 17 have an error code below
; EIP (Intel SDM volume 3, Error Code). Prints vector and EIP, does not return.
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

; Writes EAX as eight (hex32) or AL as two (hex8) lower-case digits to [edi]. Clobbers EAX, ECX, EDX
; and EDI.
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

; Prints the string at ESI, up to its NUL. Clobbers EAX, ECX, EDX, ESI and EDI. It repeats
; dev/uart_16550.c in 32-bit code: 115200 baud, 8N1, bounded wait for an empty transmitter.
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

; Ends the machine with the status in EBX, as dev/isa_debug_exit.h does, or halts.
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

; Pairs of port and value, up to port 0.
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
        db      "[LOADER][ERROR] ", STATUS_CPU_NO_LONG_MODE_TEXT
        db      ": the CPU has no 64-bit mode (CPUID 0x80000001 EDX bit 29)", 10, 0
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
gdt_pointer:                            ; also loaded by 64-bit code, hence the wide base
        dw      gdt_end - gdt - 1
        dq      gdt

        align   8
; A gate splits its address into two halves, which no relocation can express. They are constants
; because the section starts at 0x100000, which ld/x86-sections.ld asserts: the low half is the
; offset in the section, the high half 0x10. 0x8e00: a present 32-bit interrupt gate.
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

; 16 KiB for all C code until the hand-over.
section .bss nobits alloc noexec write align=16
global stack_top
        resb    0x4000
stack_top:
