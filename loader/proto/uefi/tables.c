// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Configuration tables (UEFI 2.10, 4.6) that the application gets: ACPI and SEV-SNP.
#include "core/log.h"
#include "proto/uefi/firmware.h"

static const struct efi_guid acpi20_guid = {
	0x8868e871, 0xe4f1, 0x11d3, { 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 }
};
static const struct efi_guid acpi10_guid = {
	0xeb9d2d30, 0x2d88, 0x11d3, { 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d }
};
static const struct efi_guid sev_guid = {
	0x067b1f5f, 0xcf26, 0x44c5, { 0x85, 0x54, 0x93, 0xd7, 0x77, 0x91, 0x2d, 0x42 }
};

// The RSDP (ACPI 6.5, 5.2.5.3): revision 0 has 20 bytes, later ones store their length at
// offset 20. A longer one than a page is damaged.
static struct span find_rsdp(void)
{
	enum { REVISION_AT = 15, FIRST_SIZE = 20, LENGTH_AT = 20 };
	// Firmware may have both. The structure of ACPI 1.0 lacks the address of the XSDT.
	const uint8_t *p = firmware_table(&acpi20_guid);
	if (p == NULL)
		p = firmware_table(&acpi10_guid);
	if (p == NULL || memcmp(p, "RSD PTR ", 8) != 0)
		return (struct span){ 0 };
	size_t n = p[REVISION_AT] == 0 ? FIRST_SIZE : load_u32(p + LENGTH_AT, ORDER_LITTLE);
	log_line(LOG_DEBUG, "Found RSDP at %#lx, %lu bytes", (uint64_t)p, n);
	return n >= FIRST_SIZE && n <= PAGE_SIZE ? (struct span){ p, n } : (struct span){ 0 };
}

// The confidential computing blob of SEV-SNP: magic, version, addresses and lengths of the secrets
// and CPUID pages. OVMF defines it (ConfidentialComputingSevSnpBlob.h in EDK II), no specification.
static struct span find_cc_blob(void)
{
	enum { SIZE = 40 };
	const uint8_t *p = firmware_table(&sev_guid);
	if (p == NULL)
		return (struct span){ 0 };
	if (memcmp(p, "AMDE", 4) != 0) {
		log_line(LOG_WARN,
			 "no valid SEV-SNP confidential computing blob at %#lx: the application "
			 "gets none",
			 (uint64_t)p);
		return (struct span){ 0 };
	}
	log_line(LOG_DEBUG, "Found SEV-SNP's confidential computing blob at %#lx", (uint64_t)p);
	return (struct span){ p, SIZE };
}

void tables_read(struct boot *boot)
{
	boot->rsdp = find_rsdp();
	boot->cc_blob = find_cc_blob();
}
