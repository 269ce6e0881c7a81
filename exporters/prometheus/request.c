#include "request.h"

#include <string.h>
#include <strings.h>

/* The head up to and with its empty line, or 0. Bare newlines are taken for line ends, too. */
static size_t head_length(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != '\n')
            continue;
        if (i + 1 < length && bytes[i + 1] == '\n')
            return i + 2;
        if (i + 2 < length && bytes[i + 1] == '\r' && bytes[i + 2] == '\n')
            return i + 3;
    }
    return 0;
}

static bool is_token(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return length > 0;
}

static bool is_method(const char *bytes, size_t length, const char *name)
{
    return length == strlen(name) && memcmp(bytes, name, length) == 0;
}

/* "http://host/metrics" asks for "/metrics". */
static const char *skip_authority(const char *target, const char *end)
{
    if (end - target < 7 || strncasecmp(target, "http://", 7) != 0)
        return target;
    for (target += 7; target < end && *target != '/'; target++)
        continue;
    return target;
}

static int parse_target(const char *target, const char *end, struct phu_scrape_request *request)
{
    const char *query;

    target = skip_authority(target, end);
    if (target == end || *target != '/')
        return 400;
    for (query = target; query < end && *query != '?'; query++) {
        if ((unsigned char)*query <= ' ' || *query == 0x7f)
            return 400;
    }
    if ((size_t)(query - target) >= sizeof request->path)
        return 414;
    memcpy(request->path, target, (size_t)(query - target));
    request->path[query - target] = '\0';
    return 200;
}

static int parse_version(const char *version, size_t length)
{
    if (length != 8 || memcmp(version, "HTTP/", 5) != 0 || version[6] != '.')
        return 400;
    return version[5] == '1' ? 200 : 505;
}

static int parse_request_line(const char *line, size_t length, struct phu_scrape_request *request)
{
    const char *end = line + length;
    const char *target = memchr(line, ' ', length);
    const char *version = NULL;
    int status;

    if (target)
        version = memchr(target + 1, ' ', (size_t)(end - target - 1));
    if (!version || !is_token(line, (size_t)(target - line)))
        return 400;
    request->method = PHU_SCRAPE_OTHER;
    if (is_method(line, (size_t)(target - line), "GET"))
        request->method = PHU_SCRAPE_GET;
    if (is_method(line, (size_t)(target - line), "HEAD"))
        request->method = PHU_SCRAPE_HEAD;
    status = parse_version(version + 1, (size_t)(end - version - 1));
    return status == 200 ? parse_target(target + 1, version, request) : status;
}

/* Nobody sends us bodies: a request with one is refused rather than read. */
static int check_header(const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    size_t name = colon ? (size_t)(colon - line) : 0;

    if (!colon || !is_token(line, name))
        return 400;
    if (name == 17 && strncasecmp(line, "Transfer-Encoding", 17) == 0)
        return 501;
    if (name != 14 || strncasecmp(line, "Content-Length", 14) != 0)
        return 200;
    for (size_t i = name + 1; i < length; i++) {
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '0')
            return 400;
    }
    return 200;
}

static size_t line_length(const char *line, const char *end)
{
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    size_t length = stop ? (size_t)(stop - line) : (size_t)(end - line);

    return length > 0 && line[length - 1] == '\r' ? length - 1 : length;
}

int phu_scrape_parse(const char *bytes, size_t length, struct phu_scrape_request *request)
{
    size_t head = head_length(bytes, length);
    const char *end = bytes + head;
    const char *line = bytes;
    size_t used;
    int status;

    if (memchr(bytes, '\0', length))
        return 400;
    if (!head)
        return length >= PHU_SCRAPE_REQUEST_MAX ? 431 : 0;
    used = line_length(line, end);
    status = parse_request_line(line, used, request);
    for (line = memchr(line, '\n', head); status == 200 && ++line < end;
         line = memchr(line, '\n', (size_t)(end - line))) {
        used = line_length(line, end);
        if (used == 0)
            break;
        status = check_header(line, used);
    }
    return status;
}
