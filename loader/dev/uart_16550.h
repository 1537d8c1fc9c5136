// SPDX-License-Identifier: Apache-2.0 OR MIT
// COM1, 115200 baud, 8N1. What was typed meanwhile stays for the application.
#pragma once

#include "core/base.h"

void uart_open(void);
void uart_write(const char *bytes, size_t n);
