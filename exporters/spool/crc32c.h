/* CRC32C, the checksum of everything that the spool writes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Continues from `crc` (0 to begin with). */
uint32_t phu_crc32c(uint32_t crc, const void *data, size_t size);
/* The same without the processor's help. */
uint32_t phu_crc32c_table(uint32_t crc, const void *data, size_t size);
