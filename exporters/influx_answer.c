/* Statuses, and why they are read so:
 *
 *   2xx                stored
 *   400, 422           about the lines: in 1.x and 3.x the good ones are stored, in 2.x up to all
 * are refused; writes are idempotent, so finding the bad ones by sending pieces again is right for
 * all of them 413                about the size 408, 425, 429, 5xx not now. 408 is the server's
 * patience with a slow uplink: the feed sends less at once after any failure all else 401, 403, 404
 * and whatever else says that we have come to the wrong place or in the wrong way (a redirect, 405,
 * 411, 415 …). No line is at fault, none may be given up: everything is held until a person has put
 * it right.
 */
#include "influx_answer.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define DETAILS_MAX 3

enum phu_verdict phu_influx_verdict(int status)
{
    if (status >= 200 && status < 300)
        return PHU_VERDICT_STORED;
    if (status == 400 || status == 422)
        return PHU_VERDICT_REFUSED;
    if (status == 413)
        return PHU_VERDICT_TOO_LARGE;
    if (status < 300 || status == 408 || status == 425 || status == 429 || status >= 500)
        return PHU_VERDICT_RETRY;
    return PHU_VERDICT_UNAUTHORIZED;
}

static size_t append(char *text, size_t size, size_t used, const char *more, size_t length)
{
    size_t room = size - 1 - used;

    if (length > room)
        length = room;
    memcpy(text + used, more, length);
    text[used + length] = '\0';
    return used + length;
}

static size_t append_string(char *text, size_t size, size_t used, const json_t *string)
{
    return append(text, size, used, json_string_value(string), json_string_length(string));
}

/* v3: {"error": "...", "data": [{"error_message": "...", "line_number": 2, …}, …]} */
static size_t append_details(char *text, size_t size, size_t used, const json_t *data)
{
    for (size_t i = 0; i < json_array_size(data) && i < DETAILS_MAX; i++) {
        const json_t *message = json_object_get(json_array_get(data, i), "error_message");

        if (!json_is_string(message))
            continue;
        used = append(text, size, used, ": ", 2);
        used = append_string(text, size, used, message);
    }
    return used;
}

static size_t append_known(char *text, size_t size, const json_t *root)
{
    const json_t *words = json_object_get(root, "error");
    size_t used;

    if (!json_is_string(words))
        words = json_object_get(root, "message");
    if (!json_is_string(words))
        return 0;
    used = append_string(text, size, 0, words);
    return append_details(text, size, used, json_object_get(root, "data"));
}

static void smooth(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
    }
    while (length > 0 && text[length - 1] == ' ')
        text[--length] = '\0';
}

const char *phu_influx_reason(const char *body, size_t length, char *text, size_t size)
{
    json_t *root = json_loadb(body, length, 0, NULL);
    size_t used;

    text[0] = '\0';
    used = append_known(text, size, root);
    if (used == 0)
        used = append(text, size, 0, body, length);
    json_decref(root);
    smooth(text, used);
    return text;
}
