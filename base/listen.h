/* Where a server listens, as people write it. */
#pragma once

#include <stdbool.h>

struct sockaddr_storage;

/* "127.0.0.1:9469" or "[::1]:0" to an address: NULL, or what is wrong. */
const char *phu_listen_parse(const char *text, struct sockaddr_storage *address);

bool phu_listen_is_loopback(const struct sockaddr_storage *address);
