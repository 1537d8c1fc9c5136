// SPDX-License-Identifier: Apache-2.0 OR MIT
// The firmware's device tree: reads what the loader needs, and writes the modified copy that the
// kernel receives (Devicetree Specification 0.4, chapters 2 and 3).
//
// struct devicetree points into the firmware's tree, which must stay readable until the copy is
// written. Addresses are physical.
#pragma once

#include "core/elf.h"
#include "core/fdt.h"
#include "core/range.h"
#include "core/uart.h"

struct devicetree {
	struct fdt fdt;
	// Where it is in memory: its used bytes.
	struct range at;
	// All ranges of all enabled memory nodes.
	struct range_set ram;
	// The memory reservation block and the enabled children of /reserved-memory.
	struct range_set reserved;
	// The application: a child of /chosen with compatible "multiboot,module", otherwise
	// linux,initrd-start and linux,initrd-end. Empty if the module's `reg` has size 0: then
	// only the start is known, and proto/fdt finds the end.
	bool has_module;
	struct range module;
	// The value of bootargs without NUL; empty if there is none.
	struct span bootargs;
	// The UART that stdout-path names, otherwise the first enabled one.
	enum uart_kind uart;
	uint64_t uart_at;
	// The firmware has PSCI 0.2 or later, with the conduit smc or hvc.
	bool psci;
	bool psci_smc;
	// Address of the sifive,test0 exit device; 0: none.
	uint64_t finisher;
	// #address-cells and #size-cells of the root.
	unsigned address_cells, size_cells;
	// Number of children of /cpus that are named `cpu`.
	unsigned cpus;
	// RISC-V: bit N is set if hart N, below 64, is enabled and has an MMU: its `mmu-type` is
	// "riscv,sv39" or the like. Only a hart with an MMU can run a kernel.
	uint64_t harts;
};

// Reads the tree at `blob`, physical address `base`, of which `limit` bytes are readable. Refuses a
// malformed tree (class 103) and one with too many memory ranges (class 89).
must_check enum status devicetree_read(const uint8_t *blob, uint64_t base, uint64_t limit,
				       struct devicetree *out);

// Writes the free RAM, `ram` without `reserved`, to `out`. Refuses with MEMORY_MAP_TOO_LONG or
// MEMORY_MAP_EMPTY.
must_check enum status devicetree_usable_ram(const struct devicetree *tree, struct range_set *out);

// What differs in the copy.
struct devicetree_fixups {
	// Replaces the memory nodes, one node per range. If the root has one size cell, a range of
	// 4 GiB or more is cut to 4 GiB - 2 MiB. If it has one address cell, ranges from 4 GiB on
	// are left out.
	const struct range_set *ram;
	// Replace the memory reservations: these ranges and the hand-over block.
	const struct range_set *reserved;
	struct range block;
	// Replaces /chosen/bootargs. The size excludes NUL; 0 removes the property.
	const char *bootargs;
	size_t bootargs_size;
};

// Returns an upper bound of the copy's size in bytes, for fixups with at most these numbers of
// ranges and this size of bootargs.
size_t devicetree_fixup_bound(const struct devicetree *tree, size_t ram_count,
			      size_t reserved_count, size_t bootargs_size);

// Writes the copy to `out`, which is aligned to 8. Removes linux,initrd-* and all children of
// /chosen that are named `module`, since the loader reuses their memory. Adds `status` to cpu nodes
// that lack it, since kernels read it in every cpu node. Returns the copy's size in bytes, or 0 if
// the copy does not fit.
size_t devicetree_fixup(const struct devicetree *tree, const struct devicetree_fixups *fixups,
			uint8_t *out, size_t size);
