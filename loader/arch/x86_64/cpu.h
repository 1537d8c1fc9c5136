// SPDX-License-Identifier: Apache-2.0 OR MIT
// Privileged x86-64 instructions (Intel SDM volume 3, System Architecture Overview). They need ring
// 0.
#pragma once

#include "core/base.h"

// Stops this CPU. An NMI or SMI ends HLT, so callers loop.
static inline void cpu_halt(void)
{
	__asm__ volatile("cli; hlt" : : : "memory");
}

// The linear address of the last page fault.
static inline uint64_t cpu_cr2(void)
{
	uint64_t value;
	__asm__ volatile("mov %%cr2, %0" : "=r"(value));
	return value;
}

static inline uint64_t cpu_cr0(void)
{
	uint64_t value;
	__asm__ volatile("mov %%cr0, %0" : "=r"(value));
	return value;
}

static inline void cpu_set_cr0(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static inline uint64_t cpu_cr3(void)
{
	uint64_t value;
	__asm__ volatile("mov %%cr3, %0" : "=r"(value));
	return value;
}

static inline uint64_t cpu_cr4(void)
{
	uint64_t value;
	__asm__ volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

// The operand of LGDT, LIDT, SGDT and SIDT in 64-bit mode: 10 bytes without padding.
struct cpu_table_pointer {
	uint16_t limit; // size in bytes, minus one
	uint64_t base;  // linear address
} __attribute__((packed));

// The CPU keeps the address: `pointer->base` must stay mapped.
static inline void cpu_load_idt(const struct cpu_table_pointer *pointer)
{
	__asm__ volatile("lidt %0" : : "m"(*pointer));
}
