// SPDX-License-Identifier: Apache-2.0 OR MIT
// I/O ports of x86 (Intel SDM volume 1, Input/Output).
#pragma once

#include "core/base.h"

static inline void port_write8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t port_read8(uint16_t port)
{
	uint8_t value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

// Writes `n` bytes to one port. A hypervisor handles them in one VM exit, whereas each single OUT
// costs an exit of its own. The direction flag is clear (System V ABI).
static inline void port_write8_string(uint16_t port, const char *bytes, size_t n)
{
	__asm__ volatile("rep outsb" : "+S"(bytes), "+c"(n) : "d"(port) : "memory");
}
