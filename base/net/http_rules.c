#include "http_rules.h"

#include <curl/curl.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define WEEK_S INT64_C(604800)

/* -- Retry-After ----------------------------------------------------------------------------- */

static bool read_seconds(const char *text, int64_t *seconds)
{
    int64_t value = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (*text - '0');
        if (value > WEEK_S)
            value = WEEK_S;
    }
    *seconds = value;
    return true;
}

static bool read_month(const char *name, struct tm *tm)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (tm->tm_mon = 0; tm->tm_mon < 12; tm->tm_mon++) {
        if (strncmp(name, names + tm->tm_mon * 3, 3) == 0)
            return true;
    }
    return false;
}

/* Exactly `digits` of them; blanks may stand for leading ones. */
static bool read_number(const char *text, int digits, int *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++) {
        if (text[i] == ' ' && *value == 0 && i + 1 < digits)
            continue;
        if (text[i] < '0' || text[i] > '9')
            return false;
        *value = *value * 10 + (text[i] - '0');
    }
    return true;
}

static size_t letters(const char *text)
{
    size_t length = 0;

    while ((text[length] | 0x20) >= 'a' && (text[length] | 0x20) <= 'z')
        length++;
    return length;
}

/* Reads one field of a form into `tm`; its length, or 0 when it does not fit. */
static size_t read_field(const char *text, char field, struct tm *tm)
{
    switch (field) {
    case 'a':
        return letters(text);
    case 'd':
        return read_number(text, 2, &tm->tm_mday) ? 2 : 0;
    case 'b':
        return read_month(text, tm) ? 3 : 0;
    case 'Y':
        return read_number(text, 4, &tm->tm_year) ? 4 : 0;
    case 'y':
        return read_number(text, 2, &tm->tm_year) ? 2 : 0;
    case 'H':
        return read_number(text, 2, &tm->tm_hour) ? 2 : 0;
    case 'M':
        return read_number(text, 2, &tm->tm_min) ? 2 : 0;
    case 'S':
        return read_number(text, 2, &tm->tm_sec) ? 2 : 0;
    default:
        return 0;
    }
}

/* `form` holds fields, each after a "%", and bytes that must be there as they are. */
static bool read_form(const char *text, const char *form, struct tm *tm)
{
    size_t length;

    for (; *form; form++) {
        if (*form != '%') {
            if (*text++ != *form)
                return false;
            continue;
        }
        length = read_field(text, *++form, tm);
        if (!length)
            return false;
        text += length;
    }
    return *text == '\0';
}

static bool read_date(const char *text, struct tm *tm)
{
    if (read_form(text, "%a, %d-%b-%y %H:%M:%S GMT", tm))
        tm->tm_year += tm->tm_year < 70 ? 2000 : 1900;
    else if (!read_form(text, "%a, %d %b %Y %H:%M:%S GMT", tm) &&
             !read_form(text, "%a %b %d %H:%M:%S %Y", tm))
        return false;
    tm->tm_year -= 1900;
    return tm->tm_year >= 70 && tm->tm_mday >= 1 && tm->tm_mday <= 31 && tm->tm_hour <= 23 &&
           tm->tm_min <= 59 && tm->tm_sec <= 60;
}

int phu_http_retry_after(const char *text, struct phu_wall now, int64_t *ns)
{
    struct tm tm = {0};
    int64_t seconds;

    if (!read_seconds(text, &seconds)) {
        if (!read_date(text, &tm))
            return -EINVAL;
        seconds = (int64_t)timegm(&tm) - now.ns / PHU_NS_PER_S;
    }
    if (seconds < 0)
        seconds = 0;
    if (seconds > WEEK_S)
        seconds = WEEK_S;
    *ns = seconds * PHU_NS_PER_S;
    return 0;
}

bool phu_http_header_value(const char *line, size_t length, const char *name, char *value,
                           size_t size)
{
    size_t at = strlen(name);

    if (length <= at || strncasecmp(line, name, at) != 0 || line[at] != ':')
        return false;
    at++;
    while (at < length && (line[at] == ' ' || line[at] == '\t'))
        at++;
    while (length > at && (unsigned char)line[length - 1] <= ' ')
        length--;
    length -= at;
    if (length > size - 1)
        length = size - 1;
    memcpy(value, line + at, length);
    value[length] = '\0';
    return true;
}

/* -- URLs ------------------------------------------------------------------------------------ */

static bool copy_part(CURLU *url, CURLUPart part, char *text, size_t size)
{
    char *value = NULL;
    bool is_fit = false;

    if (curl_url_get(url, part, &value, CURLU_DEFAULT_PORT) == CURLUE_OK)
        is_fit = (size_t)snprintf(text, size, "%s", value) < size;
    curl_free(value);
    return is_fit;
}

static void strip_brackets(char *host)
{
    size_t length = strlen(host);

    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        memmove(host, host + 1, length - 2);
        host[length - 2] = '\0';
    }
}

static void append_zone(CURLU *url, struct phu_http_place *place)
{
    size_t used = strlen(place->host);
    char zone[32];

    if (!copy_part(url, CURLUPART_ZONEID, zone, sizeof zone))
        return;
    if (used + 1 + strlen(zone) < sizeof place->host)
        snprintf(place->host + used, sizeof place->host - used, "%%%s", zone);
}

int phu_http_place(const char *url, struct phu_http_place *place)
{
    CURLU *parsed = curl_url();
    int error = -EINVAL;

    if (!parsed)
        return -ENOMEM;
    memset(place, 0, sizeof *place);
    if (curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        copy_part(parsed, CURLUPART_SCHEME, place->scheme, sizeof place->scheme) &&
        copy_part(parsed, CURLUPART_HOST, place->host, sizeof place->host) && *place->host &&
        copy_part(parsed, CURLUPART_PORT, place->port, sizeof place->port)) {
        if (strcasecmp(place->scheme, "http") == 0 || strcasecmp(place->scheme, "https") == 0)
            error = 0;
        strip_brackets(place->host);
        for (char *c = place->host; *c; c++)
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
        append_zone(parsed, place);
    }
    curl_url_cleanup(parsed);
    return error;
}

int phu_http_check_url(const char *url)
{
    struct phu_http_place place;

    return phu_http_place(url, &place);
}

bool phu_http_may_follow(const struct phu_http_place *own, const struct phu_http_place *from,
                         const struct phu_http_place *to, const char *const *hosts)
{
    if (strcmp(from->scheme, "https") == 0 && strcmp(to->scheme, "https") != 0)
        return false;
    if (strcmp(own->host, to->host) == 0)
        return true;
    for (; hosts && *hosts; hosts++) {
        if (strcasecmp(*hosts, to->host) == 0)
            return true;
    }
    return false;
}

bool phu_http_is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

const char *phu_http_redirect_method(const char *method, int status)
{
    if (strcmp(method, "HEAD") != 0 &&
        (status == 303 || (status < 303 && strcmp(method, "POST") == 0)))
        return "GET";
    return method;
}

/* -- Phases ---------------------------------------------------------------------------------- */

void phu_http_add_phase(int64_t *phase, int64_t ns)
{
    *phase = (*phase < 0 ? 0 : *phase) + (ns < 0 ? 0 : ns);
}

/* -- Errors ---------------------------------------------------------------------------------- */

static enum phu_http_error connect_error(long os_errno)
{
    switch (os_errno) {
    case ECONNREFUSED:
    case ECONNRESET:
        return PHU_HTTP_REFUSED;
    case ETIMEDOUT:
        return PHU_HTTP_TIMEOUT;
    case EACCES:
    case EPERM:
    case EADDRNOTAVAIL:
    case EADDRINUSE:
    case EINVAL:
    case EMFILE:
    case ENFILE:
    case ENETDOWN:
    case ENOBUFS:
    case ENODEV:
    case ENOMEM:
    case EAFNOSUPPORT:
        return PHU_HTTP_LOCAL;
    default:
        return PHU_HTTP_UNREACHABLE;
    }
}

enum phu_http_error phu_http_error_of(int curl_code, long os_errno)
{
    switch ((CURLcode)curl_code) {
    case CURLE_OK:
        return PHU_HTTP_OK;
    case CURLE_COULDNT_CONNECT:
        return connect_error(os_errno);
    case CURLE_OPERATION_TIMEDOUT:
        return PHU_HTTP_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
        return PHU_HTTP_TLS;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_FAILED_INIT:
    case CURLE_INTERFACE_FAILED:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
        return PHU_HTTP_LOCAL;
    default:
        return PHU_HTTP_BROKEN;
    }
}
