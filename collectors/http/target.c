#include "target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PLACEHOLDER "{address}"

static size_t scheme_length(const char *text)
{
    if (strncasecmp(text, "http://", 7) == 0)
        return 7;
    if (strncasecmp(text, "https://", 8) == 0)
        return 8;
    return 0;
}

static bool has_blanks(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return true;
    }
    return false;
}

const char *phu_target_url_fault(const char *url)
{
    size_t scheme = scheme_length(url);

    if (!scheme)
        return "a URL begins with http:// or https://";
    if (has_blanks(url))
        return "a URL holds no blanks or control characters: write them as %20";
    if (!url[scheme] || strchr("/?#:", url[scheme]))
        return "the URL names no host: write http://HOST/PATH, or http://{address}/PATH";
    if (strlen(url) >= PHU_TARGET_URL_MAX)
        return "the URL is longer than 2047 bytes";
    return NULL;
}

const char *phu_target_path_fault(const char *path)
{
    if (*path != '/')
        return "a path begins with \"/\"";
    if (has_blanks(path))
        return "a path holds no blanks or control characters: write them as %20";
    if (strlen(path) >= PHU_TARGET_URL_MAX)
        return "the path is longer than 2047 bytes";
    return NULL;
}

const char *phu_target_argument_parse(const char *text, struct phu_target_argument *argument)
{
    static const char help[] = "the argument of http is a port, a path, both, or a URL: http:8080, "
                               "http:/status, http:8080/status or http:https://HOST/PATH";
    size_t digits = strspn(text, "0123456789");

    *argument = (struct phu_target_argument){0};
    if (scheme_length(text)) {
        argument->url = text;
        return phu_target_url_fault(text);
    }
    if (text[digits] && text[digits] != '/')
        return help;
    if (digits > 5)
        return "a port is a number from 1 to 65535";
    for (size_t i = 0; i < digits; i++)
        argument->port = argument->port * 10 + (unsigned)(text[i] - '0');
    if (digits && (argument->port < 1 || argument->port > 65535))
        return "a port is a number from 1 to 65535";
    if (!text[digits])
        return NULL;
    argument->path = text + digits;
    return phu_target_path_fault(argument->path);
}

/* -- The URL --------------------------------------------------------------------------------- */

struct text {
    char *start;
    size_t used, size;
    bool is_cut;
};

static void append(struct text *out, const char *bytes, size_t length)
{
    if (length >= out->size - out->used) {
        out->is_cut = true;
        return;
    }
    memcpy(out->start + out->used, bytes, length);
    out->used += length;
    out->start[out->used] = '\0';
}

/* "fe80::1%eth0" is written [fe80::1%25eth0] (RFC 6874). */
static void append_host(struct text *out, const char *address)
{
    size_t head = strcspn(address, "%");

    if (!strchr(address, ':')) {
        append(out, address, strlen(address));
        return;
    }
    append(out, "[", 1);
    append(out, address, head);
    if (address[head]) {
        append(out, "%25", 3);
        append(out, address + head + 1, strlen(address + head + 1));
    }
    append(out, "]", 1);
}

static void append_template(struct text *out, const char *url, const char *address)
{
    const char *place;

    while ((place = strstr(url, PLACEHOLDER))) {
        append(out, url, (size_t)(place - url));
        append_host(out, address);
        url = place + sizeof PLACEHOLDER - 1;
    }
    append(out, url, strlen(url));
}

int phu_target_url(const struct phu_target *target, char *url, size_t size)
{
    struct text out = {.start = url, .size = size};
    char port[16];

    url[0] = '\0';
    if (*target->url) {
        append_template(&out, target->url, target->address);
    } else {
        append(&out, target->scheme, strlen(target->scheme));
        append(&out, "://", 3);
        append_host(&out, target->address);
        if (target->port)
            append(&out, port, (size_t)snprintf(port, sizeof port, ":%u", target->port));
        append(&out, target->path, strlen(target->path));
    }
    return out.is_cut ? -ENAMETOOLONG : 0;
}

/* -- Statuses -------------------------------------------------------------------------------- */

static bool read_status(const char *text, int *status)
{
    if (strspn(text, "0123456789") < 3)
        return false;
    *status = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
    return *status >= 100 && *status <= 599;
}

int phu_target_range_parse(const char *text, struct phu_status_range *range)
{
    if (!read_status(text, &range->first))
        return -EINVAL;
    range->last = range->first;
    if (!text[3])
        return 0;
    if (text[3] != '-' || !read_status(text + 4, &range->last) || text[7])
        return -EINVAL;
    return range->last < range->first ? -EINVAL : 0;
}
