; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; Multiboot Specification 0.6.96: header (3.1) with address fields, so that the file may be an ELF64, and machine state at entry (3.2).

MAGIC           equ 0x1badb002
PAGE_ALIGN      equ 1 << 0              ; modules begin at page boundaries
MEMORY_INFO     equ 1 << 1
ADDRESSES       equ 1 << 16
FLAGS           equ PAGE_ALIGN | MEMORY_INFO | ADDRESSES

extern loader_start, loader_load_end, loader_end, enter_long_mode, multiboot_start
global multiboot_entry

section .multiboot progbits alloc exec nowrite align=4
bits 32

header: dd      MAGIC
        dd      FLAGS
        dd      -(MAGIC + FLAGS)
        dd      header
        dd      loader_start
        dd      loader_load_end
        dd      loader_end
        dd      multiboot_entry

; eax = 0x2badb002, ebx = information. The stack pointer is not ours yet.
multiboot_entry:
        mov     edi, eax
        mov     esi, ebx
        mov     ebp, multiboot_start
        jmp     enter_long_mode
