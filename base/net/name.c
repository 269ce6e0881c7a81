#include "phusong/name.h"

#include "phusong/resolve.h"
#include "phusong/sched.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The resolver answers from memory while the TTL lasts, so asking is cheap. */
#define ASK_EVERY_NS (60 * PHU_NS_PER_S)

struct phu_name {
    struct phu_sched *sched;
    struct phu_resolver *resolver;
    const char *text;
    int family;
    bool is_literal;
    bool is_awaited; /* phu_name_get has said -EINPROGRESS */
    phu_name_cb *known;
    void *arg;
    struct phu_resolve *query;
    struct phu_mono ask_at;
    struct sockaddr_storage address; /* AF_UNSPEC: none */
};

int phu_name_new(struct phu_sched *sched, struct phu_resolver *resolver, const char *text,
                 int family, phu_name_cb *known, void *arg, struct phu_name **out)
{
    struct phu_name *name = calloc(1, sizeof *name);

    if (!name)
        return -ENOMEM;
    *name = (struct phu_name){.sched = sched,
                              .resolver = resolver,
                              .text = text,
                              .family = family,
                              .known = known,
                              .arg = arg};
    name->is_literal = phu_address_parse(text, &name->address) == 0;
    if (name->is_literal && family != AF_UNSPEC && family != name->address.ss_family) {
        free(name);
        return -EINVAL;
    }
    *out = name;
    return 0;
}

void phu_name_free(struct phu_name *name)
{
    if (!name)
        return;
    phu_resolve_cancel(name->query);
    free(name);
}

static bool is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET)
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
                  &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

static void answered(void *arg, int status, const struct sockaddr_storage *addresses, size_t count)
{
    struct phu_name *name = arg;
    bool is_kept = false;

    name->query = NULL;
    for (size_t i = 0; i < count; i++)
        is_kept |= is_same(&name->address, &addresses[i]);
    if (status == -ENOENT)
        name->address.ss_family = AF_UNSPEC;
    else if (status == 0 && count && !is_kept)
        name->address = addresses[0];
    if (!name->is_awaited)
        return;
    name->is_awaited = false;
    name->known(name->arg, name->address.ss_family != AF_UNSPEC ? 0 : status ? status : -ENOENT);
}

int phu_name_get(struct phu_name *name, int64_t timeout_ns, struct sockaddr_storage *address)
{
    struct phu_mono now = phu_sched_now(name->sched);
    bool is_known = name->address.ss_family != AF_UNSPEC;
    int error = 0;

    if (!name->is_literal && !name->query &&
        (!is_known || phu_mono_since(now, name->ask_at) >= 0)) {
        error = phu_resolve_start(name->resolver, name->text, name->family, timeout_ns, answered,
                                  name, &name->query);
        name->ask_at = phu_mono_add(now, ASK_EVERY_NS);
    }
    if (is_known) {
        *address = name->address;
        return 0;
    }
    if (error)
        return error;
    name->is_awaited = true;
    return -EINPROGRESS;
}
