# SPDX-License-Identifier: Apache-2.0 OR MIT
# From `nm -n` to the table that core/linked_in.c reads: addresses from loader_start on, ascending, and names in the same order.
BEGIN { n = 0 }
$3 == "loader_start" { start = "0x" $1 }
$2 == "t" || $2 == "T" {
	name = $3
	sub(/\.(constprop|part|isra|cold|llvm).*/, "", name)
	if (name ~ /[.$]/ || name ~ /^(stub32_|stubs32$|trampoline_start$|trampoline_end$|loader_)/ || $1 == last)
		next
	last = $1
	address[n] = $1
	names[n++] = name
}
END {
	print ".section .symbols,\"a\"\n.globl symbol_count, symbol_addresses, symbol_names\n.balign 4"
	print "symbol_count: .long " n "\nsymbol_addresses:"
	for (i = 0; i < n; i++)
		print ".long 0x" address[i] " - " start
	print "symbol_names:"
	for (i = 0; i < n; i++)
		print ".asciz \"" names[i] "\""
	print ".byte 0"
}
