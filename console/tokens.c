/* One token a line:
 *
 *     ID ROLE CREATED SHA256 [REVOKED]
 *     t-5d1f03a2 agent:bn-1 2026-11-23T08:00:00Z 9f86d0…15b0f00a08
 */
#include "tokens.h"

#include "mem.h"
#include "replace_file.h"
#include "rfc3339.h"

#include "phusong/log.h"
#include "phusong/text.h"
#include "phusong/time.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define MODULE "tokens"

enum { FILE_MAX = 4 << 20, LOOK_NS = 1000000000, BITS = 256, ATTEMPTS = 20 };

static const char head[] =
    "# Tokens of phusong console, without their secrets; made and revoked by "
    "phusong console token.\n";

struct phu_tokens {
    char *path;
    struct phu_token *items;
    size_t count;
    struct stat stamp;
    bool is_there;
    int64_t looked_ns;
};

/* -- Secrets ---------------------------------------------------------------------------------- */

static int hash_secret(const char *secret, size_t length, unsigned char hash[PHU_TOKEN_HASH])
{
    unsigned size = 0;

    return EVP_Digest(secret, length, hash, &size, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

static void write_hex(const unsigned char *bytes, size_t count, char *text)
{
    for (size_t i = 0; i < count; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static bool read_hex(const char *text, unsigned char *bytes, size_t count)
{
    if (strlen(text) != 2 * count || strspn(text, "0123456789abcdef") != 2 * count)
        return false;
    for (size_t i = 0; i < count; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};

        bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return true;
}

/* "phu_" and 43 letters, digits, - and _, six bits each. */
static void make_secret(const unsigned char random[BITS / 8], char secret[PHU_TOKEN_SECRET])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *to = secret;

    to += snprintf(secret, PHU_TOKEN_SECRET, "phu_");
    for (unsigned bit = 0; bit < BITS; bit += 6) {
        unsigned at = bit / 8, pair = (unsigned)random[at] << 8;

        if (at + 1 < BITS / 8)
            pair |= random[at + 1];
        *to++ = digits[pair >> (10 - bit % 8) & 63];
    }
    *to = '\0';
}

/* -- The file --------------------------------------------------------------------------------- */

void phu_token_role_text(const struct phu_token *token, char text[PHU_IDENTITY_MAX + 8])
{
    if (token->role == PHU_ROLE_AGENT)
        snprintf(text, PHU_IDENTITY_MAX + 8, "agent:%s", token->agent);
    else
        snprintf(text, PHU_IDENTITY_MAX + 8, "%s", token->role == PHU_ROLE_READ ? "read" : "admin");
}

static bool read_role(const char *text, struct phu_token *token)
{
    if (strcmp(text, "read") == 0) {
        token->role = PHU_ROLE_READ;
    } else if (strcmp(text, "admin") == 0) {
        token->role = PHU_ROLE_ADMIN;
    } else if (strncmp(text, "agent:", 6) == 0 && phu_text_is_id(text + 6)) {
        token->role = PHU_ROLE_AGENT;
        snprintf(token->agent, sizeof token->agent, "%s", text + 6);
    } else {
        return false;
    }
    return true;
}

static bool read_time(const char *text, int64_t *ns)
{
    struct phu_wall at;

    if (phu_rfc3339_parse(text, &at) < 0)
        return false;
    *ns = at.ns;
    return true;
}

/* NULL, or what is wrong. Cuts the line up. */
static const char *read_line(char *line, struct phu_token *token)
{
    char *rest = NULL, *id = strtok_r(line, " \t\r", &rest), *role = strtok_r(NULL, " \t\r", &rest);
    char *created = strtok_r(NULL, " \t\r", &rest), *hash = strtok_r(NULL, " \t\r", &rest);
    char *revoked = strtok_r(NULL, " \t\r", &rest);

    memset(token, 0, sizeof *token);
    if (!hash || strtok_r(NULL, " \t\r", &rest))
        return "a line is: ID ROLE CREATED SHA256, and REVOKED where it is";
    if (!phu_text_is_id(id))
        return "the id may hold letters, digits and . _ : -";
    snprintf(token->id, sizeof token->id, "%s", id);
    if (!read_role(role, token))
        return "the role is agent:ID, read or admin";
    if (!read_time(created, &token->created_ns) ||
        (revoked && !read_time(revoked, &token->revoked_ns)))
        return "a time is as in 2026-11-23T08:00:00Z";
    if (!read_hex(hash, token->hash, sizeof token->hash))
        return "the hash is 64 digits 0-9 a-f";
    return NULL;
}

static int read_lines(const char *path, char *text, struct phu_token **items, size_t *count,
                      char *why, size_t why_size)
{
    char *rest = NULL;
    size_t number = 0;

    for (char *line = text; line; line = rest) {
        struct phu_token token;
        const char *wrong;

        rest = strchr(line, '\n');
        if (rest)
            *rest++ = '\0';
        number++;
        if (!line[strspn(line, " \t\r")] || *line == '#')
            continue;
        wrong = read_line(line, &token);
        if (wrong) {
            snprintf(why, why_size, "%s:%zu: %s", path, number, wrong);
            return -EINVAL;
        }
        *items = phu_mem_grow(*items, *count, sizeof **items);
        (*items)[(*count)++] = token;
    }
    return 0;
}

static int reread(struct phu_tokens *tokens, char *why, size_t why_size)
{
    struct phu_token *items = NULL;
    size_t count = 0, length;
    struct stat stamp = {0};
    char *text;
    int error = phu_file_read(tokens->path, FILE_MAX, &text, &length, &stamp);

    if (error) {
        snprintf(why, why_size, "cannot read %s: %s", tokens->path, strerror(-error));
        return error;
    }
    if (text) {
        text[length] = '\0'; /* there is room */
        error = read_lines(tokens->path, text, &items, &count, why, why_size);
    }
    tokens->is_there = text != NULL;
    tokens->stamp = stamp;
    free(text);
    if (error) {
        free(items);
        return error;
    }
    free(tokens->items);
    tokens->items = items;
    tokens->count = count;
    return 0;
}

static bool has_changed(const struct phu_tokens *tokens)
{
    const struct stat *before = &tokens->stamp;
    struct stat now;

    if (stat(tokens->path, &now) < 0)
        return errno == ENOENT && tokens->is_there;
    return !tokens->is_there || now.st_ino != before->st_ino || now.st_size != before->st_size ||
           now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != before->st_mtim.tv_nsec;
}

static void look(struct phu_tokens *tokens)
{
    int64_t now_ns = phu_mono_now().ns;
    char why[256];

    if (now_ns - tokens->looked_ns < LOOK_NS)
        return;
    tokens->looked_ns = now_ns;
    if (!has_changed(tokens))
        return;
    if (reread(tokens, why, sizeof why) < 0)
        phu_log_error(MODULE, "the changed tokens cannot be read; the old ones hold",
                      "error=\"%s\"", why);
    else
        phu_log_info(MODULE, "tokens were read again", "count=%zu", tokens->count);
}

static int write_file(struct phu_tokens *tokens, const struct phu_token *items, size_t count)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    int error;

    if (!out)
        return -ENOMEM;
    fputs(head, out);
    for (size_t i = 0; i < count; i++) {
        char role[PHU_IDENTITY_MAX + 8], hash[2 * PHU_TOKEN_HASH + 1], at[PHU_RFC3339_SIZE];

        phu_token_role_text(&items[i], role);
        write_hex(items[i].hash, PHU_TOKEN_HASH, hash);
        phu_rfc3339_format(at, (struct phu_wall){items[i].created_ns});
        fprintf(out, "%s %s %s %s", items[i].id, role, at, hash);
        if (items[i].revoked_ns) {
            phu_rfc3339_format(at, (struct phu_wall){items[i].revoked_ns});
            fprintf(out, " %s", at);
        }
        putc('\n', out);
    }
    fclose(out);
    error = phu_file_replace(tokens->path, tokens->is_there ? &tokens->stamp : NULL, text, length);
    free(text);
    return error;
}

/* -- Use --------------------------------------------------------------------------------------- */

int phu_tokens_open(const char *state_dir, struct phu_tokens **out, char *why, size_t why_size)
{
    struct phu_tokens *tokens = phu_mem_alloc(1, sizeof *tokens);
    int error;

    if (asprintf(&tokens->path, "%s/tokens", state_dir) < 0)
        abort();
    error = reread(tokens, why, why_size);
    if (error) {
        phu_tokens_free(tokens);
        return error;
    }
    tokens->looked_ns = phu_mono_now().ns;
    *out = tokens;
    return 0;
}

void phu_tokens_free(struct phu_tokens *tokens)
{
    if (!tokens)
        return;
    free(tokens->items);
    free(tokens->path);
    free(tokens);
}

int phu_tokens_identify(void *arg, const char *secret, size_t length, struct phu_identity *identity)
{
    struct phu_tokens *tokens = arg;
    unsigned char hash[PHU_TOKEN_HASH];

    look(tokens);
    if (hash_secret(secret, length, hash) < 0)
        return -ENOENT;
    for (size_t i = 0; i < tokens->count; i++) {
        const struct phu_token *token = &tokens->items[i];

        if (CRYPTO_memcmp(token->hash, hash, sizeof hash) != 0)
            continue;
        identity->role = token->role;
        memcpy(identity->token, token->id, sizeof identity->token);
        memcpy(identity->agent, token->agent, sizeof identity->agent);
        return token->revoked_ns ? -EKEYREVOKED : 0;
    }
    return -ENOENT;
}

size_t phu_tokens_count(const struct phu_tokens *tokens)
{
    return tokens->count;
}

const struct phu_token *phu_tokens_at(const struct phu_tokens *tokens, size_t index)
{
    return &tokens->items[index];
}

static int fill(struct phu_token *token, enum phu_role role, const char *agent, int64_t now_ns,
                char secret[PHU_TOKEN_SECRET])
{
    unsigned char random[BITS / 8 + 4];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return -EIO;
    *token = (struct phu_token){.role = role, .created_ns = now_ns};
    snprintf(token->id, sizeof token->id, "t-%02x%02x%02x%02x", random[32], random[33], random[34],
             random[35]);
    snprintf(token->agent, sizeof token->agent, "%s", agent ? agent : "");
    make_secret(random, secret);
    explicit_bzero(random, sizeof random);
    return hash_secret(secret, strlen(secret), token->hash);
}

static int refuse(int error, char *why, size_t why_size, const char *path)
{
    snprintf(why, why_size, "cannot write %s: %s%s", path, strerror(-error),
             error == -EACCES ? "; run this as the console's user, or as root" : "");
    return error;
}

/* Adds `token`, or changes the one at `index`, in the file as it is by now. */
static int change(struct phu_tokens *tokens, const struct phu_token *token, size_t index)
{
    struct phu_token *items = phu_mem_alloc(tokens->count + 1, sizeof *items);
    size_t count = tokens->count + (index == tokens->count);
    int error;

    if (tokens->count)
        memcpy(items, tokens->items, tokens->count * sizeof *items);
    items[index] = *token;
    error = write_file(tokens, items, count);
    free(items);
    return error;
}

int phu_tokens_create(struct phu_tokens *tokens, enum phu_role role, const char *agent,
                      int64_t now_ns, char secret[PHU_TOKEN_SECRET], struct phu_token *made,
                      char *why, size_t why_size)
{
    int error = fill(made, role, agent, now_ns, secret);

    for (int i = 0; !error && i < ATTEMPTS; i++) {
        error = change(tokens, made, tokens->count);
        if (error != -ESTALE && error != -EEXIST)
            break;
        error = reread(tokens, why, why_size);
        if (error)
            return error;
    }
    return error ? refuse(error, why, why_size, tokens->path) : reread(tokens, why, why_size);
}

static int revoke_once(struct phu_tokens *tokens, const char *id, int64_t now_ns, char *why,
                       size_t why_size)
{
    for (size_t i = 0; i < tokens->count; i++) {
        struct phu_token token = tokens->items[i];

        if (strcmp(token.id, id) != 0)
            continue;
        if (token.revoked_ns) {
            snprintf(why, why_size, "token %s has been revoked before", id);
            return -EALREADY;
        }
        token.revoked_ns = now_ns;
        return change(tokens, &token, i);
    }
    snprintf(why, why_size, "no token %s; phusong console token ls shows them", id);
    return -ENOENT;
}

int phu_tokens_revoke(struct phu_tokens *tokens, const char *id, int64_t now_ns, char *why,
                      size_t why_size)
{
    int error = 0;

    for (int i = 0; i < ATTEMPTS; i++) {
        error = revoke_once(tokens, id, now_ns, why, why_size);
        if (error != -ESTALE)
            break;
        error = reread(tokens, why, why_size);
        if (error)
            return error;
    }
    if (error && error != -ENOENT && error != -EALREADY)
        return refuse(error, why, why_size, tokens->path);
    return error ? error : reread(tokens, why, why_size);
}
