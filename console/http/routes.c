/* Paths to routes. MHD has undone the percent signs. */
#include "private.h"

#include "mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void forget_parameters(struct phu_request *request)
{
    for (size_t i = 0; i < request->parameter_count; i++) {
        free(request->parameters[i].name);
        free(request->parameters[i].value);
    }
    request->parameter_count = 0;
}

static bool take_parameter(struct phu_request *request, const char *name, size_t name_length,
                           const char *value, size_t length)
{
    struct phu_request_pair *pair = &request->parameters[request->parameter_count];

    if (!length || request->parameter_count == PHU_REQUEST_PARAMETERS)
        return false;
    pair->value = phu_mem_strndup(value, length);
    pair->name = phu_mem_strndup(name, name_length);
    request->parameter_count++;
    return true;
}

static bool fits(const char *pattern, const char *path, struct phu_request *request)
{
    for (;;) {
        size_t wanted = strcspn(pattern, "/"), given = strcspn(path, "/");
        bool is_fit = pattern[0] == ':'
                          ? take_parameter(request, pattern + 1, wanted - 1, path, given)
                          : wanted == given && memcmp(pattern, path, wanted) == 0;

        if (!is_fit || !pattern[wanted] != !path[given])
            return false;
        if (!pattern[wanted])
            return true;
        pattern += wanted + 1;
        path += given + 1;
    }
}

static void add_allowed(char *allowed, size_t size, const char *method)
{
    size_t used = strlen(allowed);

    if (!strstr(allowed, method))
        snprintf(allowed + used, size - used, "%s%s", used ? ", " : "", method);
}

const struct phu_route *phu_routes_find(const struct phu_route *routes, size_t count,
                                        const char *method, struct phu_request *request,
                                        char *allowed, size_t allowed_size)
{
    bool is_head = strcmp(method, "HEAD") == 0;

    allowed[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        bool is_get = strcmp(routes[i].method, "GET") == 0;

        forget_parameters(request);
        if (!fits(routes[i].path, request->path, request))
            continue;
        if (strcmp(routes[i].method, method) == 0 || (is_head && is_get))
            return &routes[i];
        add_allowed(allowed, allowed_size, routes[i].method);
        if (is_get)
            add_allowed(allowed, allowed_size, "HEAD");
    }
    forget_parameters(request);
    return NULL;
}
