/* Whatever stands in Authorization and in paths: a secret fits its buffer, and no route is found
 * for what is none. */
#include "private.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct phu_route routes[] = {
        {.method = "GET", .path = "/ping"},
        {.method = "PUT", .path = "/api/v1/agents/:id/inventory"},
        {.method = "DELETE", .path = "/api/v1/:a/:b/:c/:d"},
    };
    static struct phu_server server;
    struct phu_request *request = phu_request_new(&server);
    char *text = strndup((const char *)data, size), *secret = malloc(64), allowed[16];
    const struct phu_route *route;
    size_t length = 0;

    if (phu_authorization_secret(text, secret, 64, &length) && (length == 0 || length > 64))
        abort();
    if (strlen(text) < sizeof request->path) {
        strcpy(request->path, text);
        route = phu_routes_find(routes, 3, size % 2 ? "PUT" : "DELETE", request, allowed,
                                sizeof allowed);
        if (route && route->path[0] != text[0])
            abort();
    }
    phu_request_free(request);
    free(secret);
    free(text);
    return 0;
}
