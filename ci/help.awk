# SPDX-License-Identifier: Apache-2.0 OR MIT
# Prints the targets of a Makefile that have a comment after ##, in the groups that ##@ begins.
# Lines that start with #: list the variables of the target above them.
BEGIN {
	FS = ":[^#]*## "
	print "Usage: make TARGET [VARIABLE=value]..."
}
/^##@ / { printf "\n%s\n", substr($0, 5) }
/^[a-z-]+:.*## / { printf "  %-13s %s\n", $1, $2 }
/^#: / { printf "%18s%s\n", "", substr($0, 4) }
