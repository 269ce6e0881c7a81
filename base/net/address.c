/* Addresses as text: literal ones in place of a name, and those of name servers. */
#include "phusong/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_scope(const char *text, uint32_t *scope)
{
    char *end;
    unsigned long number;

    *scope = if_nametoindex(text);
    if (*scope)
        return 0;
    errno = 0;
    number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || number > UINT32_MAX)
        return -EINVAL;
    *scope = (uint32_t)number;
    return 0;
}

int phu_address_parse(const char *text, struct sockaddr_storage *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    const char *percent = strchr(text, '%');
    char head[INET6_ADDRSTRLEN];
    size_t length = percent ? (size_t)(percent - text) : strlen(text);

    memset(address, 0, sizeof *address);
    if (length >= sizeof head)
        return -EINVAL;
    memcpy(head, text, length);
    head[length] = '\0';
    if (!percent && inet_pton(AF_INET, head, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        return 0;
    }
    if (inet_pton(AF_INET6, head, &v6->sin6_addr) != 1)
        return -EINVAL;
    v6->sin6_family = AF_INET6;
    return percent ? parse_scope(percent + 1, &v6->sin6_scope_id) : 0;
}

/* "10.0.0.1", "10.0.0.1:53", "fd00::1", "[fd00::1]", "[fd00::1]:53". */
bool phu_resolver_is_server(const char *text)
{
    struct sockaddr_storage address;
    char host[INET6_ADDRSTRLEN + 1];
    const char *port = NULL;
    bool is_bracketed = *text == '[';
    const char *end = is_bracketed ? strchr(text, ']') : strchr(text, ':');

    if (!phu_address_parse(text, &address))
        return true;
    if (!end)
        return false;
    port = is_bracketed ? end + 1 : end;
    text += is_bracketed;
    if ((size_t)(end - text) >= sizeof host)
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(end - text), text);
    if (phu_address_parse(host, &address) || is_bracketed != (address.ss_family == AF_INET6))
        return false;
    if (is_bracketed && !*port)
        return true;
    if (*port++ != ':' || strspn(port, "0123456789") != strlen(port))
        return false;
    return strlen(port) <= 5 && strtoul(port, NULL, 10) >= 1 && strtoul(port, NULL, 10) <= 65535;
}
