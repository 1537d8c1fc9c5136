// SPDX-License-Identifier: Apache-2.0 OR MIT
// What the loader takes from a firmware's device tree, and the amended copy that the application
// gets. Host-tested for every CPU.
#pragma once

#include "core/elf.h"
#include "core/fdt.h"
#include "core/range.h"

enum tree_uart { TREE_UART_NONE, TREE_UART_PL011, TREE_UART_CADENCE };

struct devicetree {
	struct fdt fdt;
	struct range at;           // where the tree lies, really used bytes only
	struct range_set ram;      // every tuple of every memory node
	struct range_set reserved; // reservation entries and /reserved-memory
	// /chosen/module@… of kind multiboot,module, else linux,initrd-start and -end
	bool has_module;
	// physical addresses; start == end: only the start is known
	struct range module;
	struct span bootargs;               // without NUL; empty: none
	enum tree_uart uart;                // the one that stdout-path names, else the first one
	uint64_t uart_at;                   // physical
	bool psci;                          // there is a node for PSCI 0.2 or later
	bool psci_smc;                      // by smc, else by hvc
	uint64_t finisher;                  // sifive,test0; 0: none
	unsigned address_cells, size_cells; // of the root
	unsigned cpus;                      // cpu nodes
};

// Reads the tree that lies at `at` (physical `base`), of which at most `most` bytes can be seen.
// Refusals (103) have been printed.
must_check enum status devicetree_read(const uint8_t *at, uint64_t base, uint64_t most,
				       struct devicetree *out);

// RAM that is free: `ram` without `reserved`. MEMORY_MAP_TOO_LONG, MEMORY_MAP_EMPTY.
must_check enum status devicetree_usable_ram(const struct devicetree *tree, struct range_set *out);

// What the copy is amended with.
struct devicetree_fixups {
	const struct range_set *ram;      // one memory node each
	const struct range_set *reserved; // reservation entries
	struct range block;               // one more
	const char *bootargs;
	size_t bootargs_size; // without NUL; 0: no property
};

// Upper bound of the copy's size, for so many ranges and so long a command line.
size_t devicetree_fixup_bound(const struct devicetree *tree, size_t ram_count,
			      size_t reserved_count, size_t bootargs_size);

// Writes the copy: linux,initrd-* and module nodes gone, memory nodes as told, every cpu node with
// a status. Its size, 0 when it did not fit.
size_t devicetree_fixup(const struct devicetree *tree, const struct devicetree_fixups *changes,
			uint8_t *out, size_t size);
