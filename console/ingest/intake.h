/* One body into the store: what the pool job does with each. */
#pragma once

#include "http/server.h"
#include "ingest/copy.h"
#include "ingest/inflate.h"
#include "ingest/ingest.h"

struct phu_lines;

enum {
    PHU_INTAKE_REASON_MAX = 400,
    PHU_INTAKE_REASONS = 10, /* told one by one */
};

/* What came of a body. */
struct phu_intake_result {
    int64_t stored, unreadable, refused;
    int64_t foreign, future,
        conflicts; /* of those refused: another agent's, ahead of time, types */
    char *reasons; /* "line 3: …; line 9: …", freed by the caller */
    size_t told;
    int error; /* -ENOSPC, -EIO: nothing of the transaction can be kept */
};

struct phu_intake {
    struct phu_store *store;
    const struct phu_ingest_conf *conf;
    const struct phu_ingest_taps *taps;
    struct phu_lines *lines;
    struct phu_inflate inflate;
};

/* The body as text; NULL: an answer is set. */
const char *phu_intake_unpack(struct phu_intake *intake, struct phu_request *request,
                              size_t *length);
/* Each line of it, within a transaction of the store; what rules want goes into `copies`. */
void phu_intake_lines(struct phu_intake *intake, const struct phu_request *request,
                      const char *text, size_t length, int64_t unit_ns, int64_t now_ns,
                      struct phu_copies *copies, struct phu_intake_result *result);
/* The answer to a body whose transaction is committed. */
void phu_intake_answer(struct phu_request *request, const struct phu_intake_result *result);
