/* A call of the HTTP client, as its two halves see it: http.c keeps its time and its owner, hop.c
 * takes it from URL to URL to its answer. Private to those. */
#pragma once

#include "http_rules.h"
#include "phusong/http.h"
#include "phusong/sched.h"
#include "pulse.h"
#include "transfer.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define PHU_CALL_ADDRESSES 4 /* so many of a name's are tried */

struct phu_http_client {
    struct phu_sched *sched;
    struct phu_resolver *resolver;
    struct phu_trust *trust;
    struct phu_multi *multi;
    struct phu_pulse pulse; /* while there are fresh calls */
    struct phu_http_call *calls;
};

enum phu_call_state {
    PHU_CALL_LOOKUP,
    PHU_CALL_TRUST, /* the authorities' certificates are being read */
    PHU_CALL_TRANSFER,
    PHU_CALL_OVER,
    PHU_CALL_TOLD, /* its owner is being called */
};

struct phu_http_call {
    struct phu_http_call *next, **link;
    struct phu_http_client *client;
    struct phu_http_request request;
    phu_http_done_cb *done;
    void *arg;
    enum phu_call_state state;
    struct phu_timer timer; /* time limit; once over, delivery */
    struct phu_mono started, deadline, hop_began;
    bool had_grace;
    struct phu_http_place own; /* of the request's URL */

    char *url; /* of this hop, as the rest here */
    const char *method;
    struct phu_http_place place;
    bool is_own_host; /* that of the request */
    unsigned redirects;
    struct phu_resolve *lookup;
    struct sockaddr_storage addresses[PHU_CALL_ADDRESSES];
    size_t address_count, address;

    struct phu_transfer transfer;
    char message[CURL_ERROR_SIZE + 320];
    struct phu_http_result result;
};

/* The call is over, with the result as far as it is known: the owner is called soon, never from
 * here. */
void phu_call_finish(struct phu_http_call *call, enum phu_http_error error, const char *message);

/* Looks up where call->place is and fetches call->url there, following redirects, until the call is
 * finished. */
void phu_hop_begin(struct phu_http_call *call);
/* For phu_multi_events.ended; `call` is a struct phu_http_call. */
void phu_hop_ended(void *call, CURLcode code);
/* Authorities' certificates have been read: goes on with the call if it waited for any. */
void phu_hop_resume(struct phu_http_call *call);
