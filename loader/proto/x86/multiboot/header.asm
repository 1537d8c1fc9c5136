; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; Multiboot Specification 0.6.96: header (3.1) and entry point (3.2). The header has address fields
; (3.1.3), so that a boot loader loads the file by offsets and does not parse it. Hence it may be an
; ELF64 file.

MAGIC           equ 0x1badb002
PAGE_ALIGN      equ 1 << 0              ; modules are page-aligned
MEMORY_INFO     equ 1 << 1              ; mem_* fields are required, mmap_* are optional
ADDRESSES       equ 1 << 16             ; address fields are valid
FLAGS           equ PAGE_ALIGN | MEMORY_INFO | ADDRESSES

extern loader_start, loader_load_end, loader_end, enter_long_mode, multiboot_start
global multiboot_entry

section .multiboot progbits alloc exec nowrite align=4
bits 32

header: dd      MAGIC
        dd      FLAGS
        dd      -(MAGIC + FLAGS)
        dd      header                  ; header_addr
        dd      loader_start            ; load_addr
        dd      loader_load_end         ; load_end_addr
        dd      loader_end              ; bss_end_addr: the boot loader zeroes up to here
        dd      multiboot_entry         ; entry_addr

; Entry: EAX = 0x2badb002, EBX = Multiboot information; 32-bit protected mode, no paging, no stack.
; Exit:  enter_long_mode: EBP = multiboot_start, EDI = EAX, ESI = EBX
multiboot_entry:
        mov     edi, eax
        mov     esi, ebx
        mov     ebp, multiboot_start
        jmp     enter_long_mode
