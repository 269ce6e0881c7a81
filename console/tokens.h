/* Who may do what at the console: the file `tokens` of the state folder.
 *
 * A token is 256 random bits, shown once when it is made; the file holds its SHA-256, so that who
 * reads the file (a backup) cannot use it. A revoked token keeps its line and is answered by name.
 * The file is replaced whole; a console that runs notices within a second.
 */
#pragma once

#include "http/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PHU_TOKEN_HASH = 32,
    PHU_TOKEN_SECRET = 48, /* room for the text of a token, NUL included */
};

struct phu_token {
    char id[PHU_IDENTITY_MAX];
    enum phu_role role;
    char agent[PHU_IDENTITY_MAX];   /* "" unless the role is agent */
    int64_t created_ns, revoked_ns; /* 0: it holds */
    unsigned char hash[PHU_TOKEN_HASH];
};

struct phu_tokens;

/* A missing file holds none. -EINVAL and others: `why` says where and what. */
int phu_tokens_open(const char *state_dir, struct phu_tokens **out, char *why, size_t why_size);
void phu_tokens_free(struct phu_tokens *tokens);

/* For phu_server_conf.identify: looks whether the file has changed, at most once a second, then
 * who it is. When the changed file cannot be read the old tokens hold, and the log says so. */
int phu_tokens_identify(void *tokens, const char *secret, size_t length,
                        struct phu_identity *identity);

size_t phu_tokens_count(const struct phu_tokens *tokens);
const struct phu_token *phu_tokens_at(const struct phu_tokens *tokens, size_t index);

/* Makes one and replaces the file. `agent` for the role agent, else NULL. The secret is written
 * nowhere else. Negative errno and `why`. */
int phu_tokens_create(struct phu_tokens *tokens, enum phu_role role, const char *agent,
                      int64_t now_ns, char secret[PHU_TOKEN_SECRET], struct phu_token *made,
                      char *why, size_t why_size);
/* -ENOENT: no such id; -EALREADY: it is revoked. */
int phu_tokens_revoke(struct phu_tokens *tokens, const char *id, int64_t now_ns, char *why,
                      size_t why_size);

/* "read", "admin", "agent:bn-1" */
void phu_token_role_text(const struct phu_token *token, char text[PHU_IDENTITY_MAX + 8]);
