#include "listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool read_port(const char *text, in_port_t *port)
{
    unsigned long number;

    if (!*text || strlen(text) > 5 || strspn(text, "0123456789") != strlen(text))
        return false;
    number = strtoul(text, NULL, 10);
    *port = htons((uint16_t)number);
    return number <= 65535;
}

const char *phu_listen_parse(const char *text, struct sockaddr_storage *address)
{
    static const char help[] =
        "listen is an address and a port: 127.0.0.1:9469 or [::1]:9469 (port 0: any free one)";
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    size_t length = colon ? (size_t)(colon - text) : 0;

    memset(address, 0, sizeof *address);
    if (!colon || length >= sizeof host)
        return help;
    snprintf(host, sizeof host, "%.*s", (int)length, text);
    if (strcmp(host, "localhost") == 0)
        strcpy(host, "127.0.0.1");
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        return read_port(colon + 1, &v4->sin_port) ? NULL : help;
    }
    if (length < 2 || host[0] != '[' || host[length - 1] != ']')
        return help;
    host[length - 1] = '\0';
    if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1)
        return help;
    v6->sin6_family = AF_INET6;
    return read_port(colon + 1, &v6->sin6_port) ? NULL : help;
}

bool phu_listen_is_loopback(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

    if (address->ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}
