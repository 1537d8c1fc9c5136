// SPDX-License-Identifier: Apache-2.0 OR MIT
// One instruction a function.
#pragma once

#include "core/base.h"

static inline void cpu_halt(void)
{
	__asm__ volatile("cli; hlt" : : : "memory");
}

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

struct cpu_table_pointer {
	uint16_t limit; // size in bytes less one
	uint64_t base;
} __attribute__((packed));

static inline void cpu_load_idt(const struct cpu_table_pointer *pointer)
{
	__asm__ volatile("lidt %0" : : "m"(*pointer));
}
