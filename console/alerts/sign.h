/* Signatures of letters to webhooks. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PHU_SIGN_SIZE 65

/* HMAC-SHA256 of "SECONDS.BODY" in lower-case hexadecimal digits. */
void phu_sign(const char *secret, int64_t seconds, const char *body, size_t length,
              char hex[PHU_SIGN_SIZE]);
