; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; Xen's x86/HVM direct boot ABI: the note by which a starter knows the file, and the machine state at entry (32-bit protected mode without paging).

XEN_ELFNOTE_PHYS32_ENTRY equ 18

extern enter_long_mode, pvh_start
global pvh_entry

; QEMU reads eight bytes of the address, and rounds the name's length up to the segment's alignment.
section .note.Xen note alloc noexec nowrite align=4
        dd      4, 8, XEN_ELFNOTE_PHYS32_ENTRY
        db      "Xen", 0
        dq      pvh_entry

section .pvh progbits alloc exec nowrite align=4
bits 32

; ebx = start information. The stack pointer is not ours yet.
pvh_entry:
        mov     edi, ebx
        xor     edx, edx
        mov     ebp, pvh_start
        jmp     enter_long_mode
