/* Whose answer is this? The number by which a message names its question, without decoding it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The request id of versions 1 and 2c, the message id of version 3. False when `bytes` do not begin
 * like an SNMP message; what follows the number is not looked at. */
bool phu_snmp_peek_id(const uint8_t *bytes, size_t length, uint32_t *id);
