; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; The first page of the file: PE/COFF header of an x86-64 UEFI application (PE Format, Microsoft;
; UEFI 2.10, 2.1.1). Offsets in the file equal offsets in memory.
;
; QEMU's -kernel passes -initrd and -append to the firmware only if it finds Linux's boot protocol
; header ("HdrS" at 0x202). The section table ends before it: it has room for six entries.

; A number that ld/efi.ld defines as the address of a symbol. Only the difference of two addresses
; is a link-time constant in a PIE.
%define NUMBER(symbol) symbol - header
extern pe_entry, pe_text, pe_text_size, pe_rodata, pe_rodata_size
extern pe_data, pe_data_size, pe_data_file_size, pe_size

SECTION_SIZE    equ 40
SECTIONS_MAX    equ 6
; Section characteristics.
CODE            equ 0x60000020          ; code, executable, readable
CONST           equ 0x40000040          ; initialized data, readable
DATA            equ 0xc0000040          ; initialized data, readable, writable

section .header progbits alloc noexec nowrite align=4096

header: dw      "MZ"
        times   0x3c - ($ - header) db 0
        dd      pe - header

pe:     dd      "PE"
        dw      0x8664                  ; machine
        dw      3                       ; sections
        dd      0, 0, 0                 ; time stamp, symbols
        dw      sections - optional
        dw      0x022e                  ; executable, large addresses, nothing but code and data

optional:
        dw      0x020b                  ; PE32+
        db      0, 0
        dd      NUMBER(pe_text_size)
        dd      NUMBER(pe_rodata_size)
        dd      0
        dd      NUMBER(pe_entry)
        dd      NUMBER(pe_text)
        dq      0                       ; image base: any
        dd      0x1000                  ; section alignment in memory
        dd      0x200                   ; section alignment in the file
        dw      0, 0, 0, 0, 0, 0        ; versions
        dd      0
        dd      NUMBER(pe_size)
        dd      NUMBER(pe_text)         ; size of headers
        dd      0                       ; checksum, unused
        dw      10                      ; EFI application
        dw      0x0100                  ; NX compatible
        dq      0, 0, 0, 0              ; stack and heap
        dd      0
        dd      6                       ; data directories
        times   6 dq 0

sections:
        db      ".text", 0, 0, 0
        dd      NUMBER(pe_text_size), NUMBER(pe_text), NUMBER(pe_text_size), NUMBER(pe_text)
        dd      0, 0, 0, CODE
        db      ".rodata", 0
        dd      NUMBER(pe_rodata_size), NUMBER(pe_rodata)
        dd      NUMBER(pe_rodata_size), NUMBER(pe_rodata)
        dd      0, 0, 0, CONST
        db      ".data", 0, 0, 0
        dd      NUMBER(pe_data_size), NUMBER(pe_data), NUMBER(pe_data_file_size), NUMBER(pe_data)
        dd      0, 0, 0, DATA
        times   (SECTIONS_MAX - 3) * SECTION_SIZE db 0

        times   0x202 - ($ - header) db 0
        db      "HdrS"
        dd      0x020f                  ; boot protocol version (Linux)
        times   0x22c - ($ - header) db 0
        dd      0xffffffff              ; initrd_addr_max
