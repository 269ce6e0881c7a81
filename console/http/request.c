/* A request: what it brought, and what is answered. */
#include "private.h"

#include "mem.h"

#include "phusong/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct phu_request *phu_request_new(struct phu_server *server)
{
    struct phu_request *request = phu_mem_alloc(1, sizeof *request);

    request->server = server;
    return request;
}

static void free_pairs(struct phu_request_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
}

void phu_request_free(struct phu_request *request)
{
    free_pairs(request->parameters, request->parameter_count);
    free_pairs(request->queries, request->query_count);
    free_pairs(request->headers, request->header_count);
    free_pairs(request->reply_headers, request->reply_header_count);
    free(request->queries);
    free(request->headers);
    if (request->server)
        request->server->bodies -= request->body_size;
    free(request->body);
    free(request->reply);
    free(request);
}

bool phu_request_take(struct phu_request *request, const char *bytes, size_t length, size_t most)
{
    size_t size = request->body_size ? request->body_size : 4096;

    if (length > most - request->body_length)
        return false;
    while (size < request->body_length + length + 1)
        size *= 2;
    if (size != request->body_size) {
        char *grown = realloc(request->body, size);

        if (!grown)
            return false;
        request->server->bodies += size - request->body_size;
        request->body = grown;
        request->body_size = size;
    }
    memcpy(request->body + request->body_length, bytes, length);
    request->body_length += length;
    request->body[request->body_length] = '\0';
    return true;
}

const char *phu_request_method(const struct phu_request *request)
{
    return request->method;
}

const char *phu_request_path(const struct phu_request *request)
{
    return request->path;
}

const char *phu_request_parameter(const struct phu_request *request, const char *name)
{
    for (size_t i = 0; i < request->parameter_count; i++) {
        if (strcmp(request->parameters[i].name, name) == 0)
            return request->parameters[i].value;
    }
    return NULL;
}

const char *phu_request_query(const struct phu_request *request, const char *name)
{
    for (size_t i = 0; i < request->query_count; i++) {
        if (strcmp(request->queries[i].name, name) == 0)
            return request->queries[i].value;
    }
    return NULL;
}

const char *phu_request_header(const struct phu_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    }
    return NULL;
}

const struct phu_identity *phu_request_identity(const struct phu_request *request)
{
    return &request->identity;
}

const char *phu_request_body(const struct phu_request *request, size_t *length)
{
    *length = request->body_length;
    return request->body ? request->body : "";
}

/* -- Replies ---------------------------------------------------------------------------------- */

void phu_request_reply(struct phu_request *request, int status, const char *type, char *body,
                       size_t length)
{
    free(request->reply);
    request->reply = body;
    request->reply_length = body ? length : 0;
    request->status = status;
    snprintf(request->type, sizeof request->type, "%s", type ? type : "");
}

/* Lines that are told of may hold any bytes, and may be cut within a character; JSON may not. */
static void put_json_text(FILE *out, const char *text)
{
    size_t length = strlen(text), valid = phu_text_valid(text, length);

    putc('"', out);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];

        if (i >= valid) {
            valid = i + 1 + phu_text_valid(text + i + 1, length - i - 1);
            putc('?', out);
        } else if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        } else if (c == '\n') {
            fputs("\\n", out);
        } else if (c < 0x20 || c == 0x7f) {
            fprintf(out, "\\u%04x", c);
        } else {
            putc(c, out);
        }
    }
    putc('"', out);
}

/* The words of InfluxDB 2. */
static const char *code_of(int status)
{
    switch (status) {
    case 401:
        return "unauthorized";
    case 403:
        return "forbidden";
    case 404:
        return "not found";
    case 405:
        return "method not allowed";
    case 413:
        return "request too large";
    case 429:
        return "too many requests";
    case 503:
        return "unavailable";
    default:
        return status < 500 ? "invalid" : "internal error";
    }
}

void phu_request_fail(struct phu_request *request, int status, const char *format, ...)
{
    char *text = NULL, *body = NULL;
    size_t length = 0;
    va_list arguments;
    FILE *out;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    out = open_memstream(&body, &length);
    if (!out)
        abort();
    if (strncmp(request->path, "/api/v2/", 8) == 0)
        fprintf(out, "{\"code\":\"%s\",\"message\":", code_of(status));
    else
        fputs("{\"error\":", out);
    put_json_text(out, text);
    fputs("}\n", out);
    fclose(out);
    phu_request_reply(request, status, "application/json", body, length);
    free(text);
}

void phu_request_set_header(struct phu_request *request, const char *name, const char *value)
{
    struct phu_request_pair *pair = &request->reply_headers[request->reply_header_count];

    if (request->reply_header_count == PHU_REQUEST_HEADERS)
        return;
    *pair = (struct phu_request_pair){phu_mem_strdup(name), phu_mem_strdup(value)};
    request->reply_header_count++;
}
