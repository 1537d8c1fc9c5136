; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; Multiboot2 Specification 2.0: header (3.1) and entry point (3.3). The tags "address" (3.1.5) and
; "entry address" (3.1.6) make the boot loader load the file by offsets, as multiboot/header.asm
; does.

MAGIC           equ 0xe85250d6
ARCHITECTURE    equ 0                   ; 32-bit protected mode of i386
TAG_END         equ 0
TAG_ADDRESS     equ 2
TAG_ENTRY       equ 3
TAG_PAGE_ALIGN  equ 6                   ; modules are page-aligned

extern loader_start, loader_load_end, loader_end, enter_long_mode, multiboot2_start
global multiboot2_entry

section .multiboot2 progbits alloc exec nowrite align=8
bits 32

; A tag begins at a multiple of 8: type, flags (0: required), size without the padding.
%macro tag 2
        align   8, db 0
        dw      %1, 0
        dd      %2
%endmacro

header: dd      MAGIC
        dd      ARCHITECTURE
        dd      header_end - header
        dd      -(MAGIC + ARCHITECTURE + (header_end - header))
        tag     TAG_ADDRESS, 24
        dd      header                  ; header_addr
        dd      loader_start            ; load_addr
        dd      loader_load_end         ; load_end_addr
        dd      loader_end              ; bss_end_addr: the boot loader zeroes up to here
        tag     TAG_ENTRY, 12
        dd      multiboot2_entry
        tag     TAG_PAGE_ALIGN, 8
        tag     TAG_END, 8
header_end:

; Entry: EAX = 0x36d76289, EBX = boot information; 32-bit protected mode, no paging, no stack.
; Exit:  enter_long_mode: EBP = multiboot2_start, EDI = EAX, ESI = EBX
multiboot2_entry:
        mov     edi, eax
        mov     esi, ebx
        xor     edx, edx                ; no self-test
        mov     ebp, multiboot2_start
        jmp     enter_long_mode
