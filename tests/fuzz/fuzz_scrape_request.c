/* What anybody may send to /metrics. */
#include "request.h"

#include "listen.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phu_scrape_request request;
    struct sockaddr_storage address;
    char *text = malloc(size + 1);
    int status;

    if (!text)
        return 0;
    memcpy(text, data, size); /* heap: a byte read beyond it is found */
    text[size] = '\0';
    status = phu_scrape_parse((const char *)data, size, &request);
    if (status == 200)
        assert(request.path[0] == '/' && strlen(request.path) < sizeof request.path);
    if (status == 0)
        assert(size < PHU_SCRAPE_REQUEST_MAX);
    for (size_t length = 0; status && length + 1 < size && length < 64; length++)
        phu_scrape_parse(text, length, &request);
    if (!phu_listen_parse(text, &address))
        phu_listen_is_loopback(&address);
    free(text);
    return 0;
}
