; SPDX-License-Identifier: Apache-2.0 OR MIT
;
; Xen's x86/HVM direct boot ABI (PVH): the ELF note that announces the entry point, and the entry
; point itself.

XEN_ELFNOTE_PHYS32_ENTRY equ 18

extern enter_long_mode, pvh_start
global pvh_entry

; The ABI allows a 4-byte descriptor; QEMU reads 8 bytes in an ELF64 file. It aligns the name to the
; segment's alignment, so that must be 4.
section .note.Xen note alloc noexec nowrite align=4
        dd      4, 8, XEN_ELFNOTE_PHYS32_ENTRY
        db      "Xen", 0
        dq      pvh_entry

section .entry.pvh progbits alloc exec nowrite align=4
bits 32

; Entry: EBX = struct hvm_start_info; 32-bit protected mode without paging, no stack. Flat segments
; whose selectors are unspecified: enter_long_mode loads its own.
; Exit:  enter_long_mode: EBP = pvh_start, EDI = EBX
pvh_entry:
        mov     edi, ebx
        xor     edx, edx                ; no self-test
        mov     ebp, pvh_start
        jmp     enter_long_mode
