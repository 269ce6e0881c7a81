#include "phusong/route.h"

#include "phusong/conf.h"
#include "phusong/resolve.h"

#include <net/if.h>
#include <string.h>

const char *const phu_family_choices[] = {"any", "ipv4", "ipv6", NULL};

int phu_family_of(int choice)
{
    static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6};

    return families[choice];
}

void phu_route_validate(void *context, const char *source, const char *interface, int family)
{
    struct sockaddr_storage address;

    if (strlen(interface) >= IF_NAMESIZE)
        phu_conf_mistake(context, "interface", "no interface has a name of more than %d bytes",
                         IF_NAMESIZE - 1);
    if (!*source)
        return;
    if (phu_address_parse(source, &address))
        phu_conf_mistake(context, "source",
                         "\"%s\" is not an address of this machine, such as "
                         "10.0.0.2 or fd00::2",
                         source);
    else if (family && address.ss_family != phu_family_of(family))
        phu_conf_mistake(context, "source", "%s is not of family %s", source,
                         phu_family_choices[family]);
}
