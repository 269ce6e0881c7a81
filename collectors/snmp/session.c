/* One conversation with one device. See session.h.
 *
 * How net-snmp is kept from blocking and from surprising: it never sees the socket. Its transport
 * is three functions of ours; f_recv hands over the datagram that was just read, f_send queues and
 * always claims success (a failed sending leaves net-snmp's list of requests in disorder). Its
 * callback only notes what happened; the news are told after the library has returned, so whoever
 * hears them may close the session. The flag DONT_PROBE is set again after opening, because
 * opening clears it and the library would otherwise look for the engine synchronously.
 */
#include "session.h"

#include "message.h"
#include "phusong/log.h"
#include "phusong/sched.h"
#include "secret.h"
#include "socket.h"
#include "usm.h"

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/library/large_fd_set.h>
#include <net-snmp/net-snmp-includes.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define RANDOM_IDS 64

/* net-snmp compares with its own reading of the clock, the wheel has ticks: ask a little later. */
#define TIMER_MARGIN_NS (2 * PHU_NS_PER_MS)

/* What net-snmp believes to be the descriptor; it only looks it up in a set. */
#define STAND_IN_FD 0

struct phu_session_shell {
    struct phu_sched *sched;
    struct phu_usm *usm;
    netsnmp_large_fd_set ready;
    uint32_t random[RANDOM_IDS];
    size_t random_left;
    struct phu_udp *v4, *v6; /* NULL: the machine has no such addresses */
    SecmodInMsg *usm_decode; /* the library's own */
    struct phu_message_room room;
    uint8_t plain[PHU_MESSAGE_SIZE_MAX]; /* a message of version 3, decrypted */
};

struct phu_session {
    struct phu_session_shell *shell;
    struct phu_session_config config;
    void *handle; /* net-snmp's */
    struct phu_udp_peer peer;
    uint32_t id; /* of the last message sent */
    struct phu_timer timer;
    bool is_asking, has_news;
    unsigned resends; /* of the question being asked */
    struct phu_session_news news;
    struct phu_message message;              /* the answer: what news.varbinds points into */
    const struct phu_udp_datagram *datagram; /* being read */
    int64_t arrived_ns, sent_ns;
    int64_t overflows; /* of the socket, when the question was asked */
    int passing_error;
    struct phu_usm_engine engine; /* as the device names itself */
    struct phu_session_counts counts;
};

const struct phu_session_counts *phu_session_counts(const struct phu_session *session)
{
    return &session->counts;
}

const struct phu_usm_engine *phu_session_engine(const struct phu_session *session)
{
    return &session->engine;
}

/* -- Shell ----------------------------------------------------------------------------------- */

static int decode(struct snmp_secmod_incoming_params *message);
static bool is_for(const struct phu_udp_peer *peer, const uint8_t *bytes, size_t length);
static void heard(struct phu_udp_peer *peer, const struct phu_udp_datagram *datagram);
static void failed(struct phu_udp_peer *peer, int error, bool is_final);

static const struct phu_udp_owner sessions = {is_for, heard, failed};

static int open_sockets(struct phu_session_shell *shell, int64_t receive_buffer,
                        struct phu_udp_counts *counts)
{
    int error = phu_udp_open(shell->sched, AF_INET, receive_buffer, &sessions, counts, &shell->v4);
    int error6 =
        phu_udp_open(shell->sched, AF_INET6, receive_buffer, &sessions, counts, &shell->v6);

    return shell->v4 || shell->v6 ? 0 : error ? error : error6;
}

int phu_session_shell_new(struct phu_sched *sched, int64_t receive_buffer,
                          struct phu_udp_counts *counts, struct phu_usm *usm,
                          struct phu_session_shell **out)
{
    struct phu_session_shell *shell = calloc(1, sizeof *shell);
    int error;

    if (!shell)
        return -ENOMEM;
    shell->sched = sched;
    shell->usm = usm;
    error = open_sockets(shell, receive_buffer, counts);
    if (error) {
        free(shell);
        return error;
    }
    shell->usm_decode = find_sec_mod(SNMP_SEC_MODEL_USM)->decode;
    find_sec_mod(SNMP_SEC_MODEL_USM)->decode = decode;
    netsnmp_large_fd_set_init(&shell->ready, STAND_IN_FD + 1);
    *out = shell;
    return 0;
}

void phu_session_shell_free(struct phu_session_shell *shell)
{
    if (!shell)
        return;
    find_sec_mod(SNMP_SEC_MODEL_USM)->decode = shell->usm_decode;
    phu_udp_close(shell->v4);
    phu_udp_close(shell->v6);
    netsnmp_large_fd_set_cleanup(&shell->ready);
    free(shell);
}

/* -- News ------------------------------------------------------------------------------------ */

static void note(struct phu_session *session, enum phu_session_event event)
{
    if (session->has_news || !session->is_asking)
        return;
    session->has_news = true;
    session->news = (struct phu_session_news){.event = event,
                                              .response_ns = session->arrived_ns - session->sent_ns,
                                              .at_ns = session->arrived_ns};
}

/* Tells; the session may be gone afterwards. */
static void tell(struct phu_session *session)
{
    struct phu_session_news news = session->news;

    session->has_news = false;
    session->is_asking = false;
    phu_timer_cancel(session->shell->sched, &session->timer);
    session->config.told(session->config.arg, &news);
}

static void tell_soon(struct phu_session *session, enum phu_session_event event, int error)
{
    note(session, event);
    session->news.error = error;
    phu_timer_after(session->shell->sched, &session->timer, 0);
}

static enum phu_session_event event_of(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return PHU_SESSION_REFUSED;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
        return PHU_SESSION_UNREACHABLE;
    default: /* any other errno */
        return PHU_SESSION_FAILED;
    }
}

/* -- What net-snmp reports ------------------------------------------------------------------- */

static void note_answer(struct phu_session *session, netsnmp_pdu *pdu)
{
    if (session->has_news || !session->is_asking)
        return;
    note(session, PHU_SESSION_ANSWER);
    session->news.varbinds = session->message.varbinds;
    session->news.count = session->message.count;
    session->news.error_status = pdu->errstat;
    session->news.error_index = pdu->errindex > 0 ? (size_t)pdu->errindex : 0;
}

static enum phu_session_report report_of(int type)
{
    switch (type) {
    case SNMPERR_UNKNOWN_USER_NAME:
        return PHU_REPORT_UNKNOWN_USER;
    case SNMPERR_AUTHENTICATION_FAILURE:
        return PHU_REPORT_WRONG_DIGEST;
    case SNMPERR_DECRYPTION_ERR:
        return PHU_REPORT_DECRYPTION;
    case SNMPERR_UNSUPPORTED_SEC_LEVEL:
        return PHU_REPORT_LEVEL;
    case SNMPERR_UNKNOWN_ENG_ID:
        return PHU_REPORT_UNKNOWN_ENGINE;
    case SNMPERR_NOT_IN_TIME_WINDOW:
        return PHU_REPORT_TIME_WINDOW;
    case SNMPERR_BAD_CONTEXT:
        return PHU_REPORT_CONTEXT;
    default: /* the library's numbers */
        return PHU_REPORT_OTHER;
    }
}

static void note_report(struct phu_session *session, netsnmp_pdu *pdu)
{
    int type = snmpv3_get_report_type(pdu);

    note(session, PHU_SESSION_REPORT);
    session->news.report = report_of(type);
    if (pdu->securityEngineIDLen > 0 && pdu->securityEngineIDLen <= PHU_ENGINE_ID_MAX) {
        session->engine = (struct phu_usm_engine){.length = (uint8_t)pdu->securityEngineIDLen};
        memcpy(session->engine.id, pdu->securityEngineID, pdu->securityEngineIDLen);
        phu_usm_read_clock(&session->engine);
    }
}

static void restart_timer(struct phu_session *session)
{
    phu_timer_after(session->shell->sched, &session->timer,
                    session->config.timeout_ns + TIMER_MARGIN_NS);
}

/* A report comes once or twice, as a security error and as a message. */
static int on_report(struct phu_session *session, netsnmp_pdu *pdu)
{
    /* Versions 1 and 2c have no reports; the true answer may still come. */
    if (session->config.secret->version != PHU_SNMP_V3)
        return 0;
    /* Once, the library puts its idea of the device's clock right and repeats the message. */
    if (snmpv3_get_report_type(pdu) == SNMPERR_NOT_IN_TIME_WINDOW && session->resends == 0)
        return 1;
    note_report(session, pdu);
    return 1;
}

/* No answer came, or none that we had room for. */
static void note_timeout(struct phu_session *session)
{
    enum phu_session_event event = PHU_SESSION_TIMEOUT;
    int error;

    if (!session->is_asking) /* it is being closed */
        return;
    if (phu_udp_overflows(session->peer.udp) != session->overflows)
        error = ENOBUFS;
    else
        error = session->passing_error;
    if (error)
        event = event_of(error);
    else
        session->counts.timeouts++;
    note(session, event);
    session->news.error = -error;
}

static int on_library(int operation, netsnmp_session *library, int id, netsnmp_pdu *pdu, void *arg)
{
    struct phu_session *session = arg;

    (void)library;
    (void)id;
    switch (operation) {
    case NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE:
    case NETSNMP_CALLBACK_OP_SEC_ERROR:
        if (pdu->command == SNMP_MSG_REPORT)
            return on_report(session, pdu);
        if (pdu->command == SNMP_MSG_RESPONSE && operation == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE)
            note_answer(session, pdu);
        else
            note(session, PHU_SESSION_FAILED);
        return 1;
    case NETSNMP_CALLBACK_OP_TIMED_OUT:
        note_timeout(session);
        return 1;
    case NETSNMP_CALLBACK_OP_RESEND:
        session->resends++;
        restart_timer(session);
        return 1;
    default: /* connections and disconnections, which datagrams have not */
        note(session, PHU_SESSION_FAILED);
        return 1;
    }
}

/* Around every call that makes or reads a message. */
static void enter_library(struct phu_session *session)
{
    phu_usm_enter(session->shell->usm, session->config.user);
}

static void leave_library(struct phu_session *session)
{
    phu_usm_leave(session->shell->usm, session->config.user);
}

/* -- Transport ------------------------------------------------------------------------------- */

static int transport_recv(netsnmp_transport *transport, void *buffer, int size, void **opaque,
                          int *opaque_length)
{
    struct phu_session *session = transport->data;
    size_t length = session->datagram->length;

    if (length > (size_t)size)
        length = (size_t)size;
    *opaque = NULL;
    *opaque_length = 0;
    if (session->config.secret->version == PHU_SNMP_V3)
        memcpy(buffer, session->datagram->bytes, length);
    return (int)length;
}

/* Reads an answer of version 1 or 2c in the library's place, objects excepted: those it leaves
 * where they are. */
static int parse(netsnmp_session *library, netsnmp_pdu *pdu, u_char *bytes, size_t length)
{
    struct phu_session *session = library->myvoid;
    const struct phu_udp_datagram *datagram = session->datagram;

    (void)bytes; /* a copy that does not last until the news are told */
    (void)length;
    if (!phu_message_decode(datagram->bytes, datagram->length, &session->shell->room,
                            &session->message) ||
        session->message.version != library->version)
        return SNMPERR_ASN_PARSE_ERR;
    pdu->version = library->version;
    pdu->command = SNMP_MSG_RESPONSE;
    pdu->flags |= UCD_MSG_FLAG_RESPONSE_PDU;
    pdu->reqid = (int32_t)session->message.request_id;
    pdu->errstat = session->message.error_status;
    pdu->errindex = session->message.error_index;
    return SNMPERR_SUCCESS;
}

/* The same for version 3: once USM has checked and decrypted the message, the library is shown it
 * without objects. */
static int decode(struct snmp_secmod_incoming_params *message)
{
    struct phu_session *session = message->sess->myvoid;
    struct phu_session_shell *shell = session->shell;
    int result = shell->usm_decode(message);
    bool is_other;

    if (result != SNMPERR_SUCCESS)
        return result;
    if (*message->scopedPduLen > sizeof shell->plain)
        return SNMPERR_USM_PARSEERROR;
    memcpy(shell->plain, *message->scopedPdu, *message->scopedPduLen);
    if (!phu_message_decode_scoped(shell->plain, *message->scopedPduLen, &shell->room,
                                   &session->message, &is_other))
        return SNMPERR_USM_PARSEERROR;
    if (!is_other)
        phu_message_empty_list(*message->scopedPdu, &session->message);
    return SNMPERR_SUCCESS;
}

static int transport_send(netsnmp_transport *transport, const void *buffer, int size, void **opaque,
                          int *opaque_length)
{
    struct phu_session *session = transport->data;

    (void)opaque;
    (void)opaque_length;
    session->counts.sent++;
    if (!phu_message_peek_id(buffer, (size_t)size, &session->id) ||
        phu_udp_put(&session->peer, buffer, (size_t)size) < 0)
        abort();
    return size;
}

static int transport_close(netsnmp_transport *transport)
{
    transport->data = NULL; /* or the library would free it */
    return 0;
}

static netsnmp_transport *make_transport(struct phu_session *session)
{
    netsnmp_transport *transport = calloc(1, sizeof *transport);

    if (!transport)
        return NULL;
    transport->domain = netsnmpUDPDomain;
    transport->domain_length = (int)netsnmpUDPDomain_len;
    transport->data = session;
    transport->sock = STAND_IN_FD;
    transport->msgMaxSize = PHU_MESSAGE_SIZE_MAX - 29;
    transport->f_recv = transport_recv;
    transport->f_send = transport_send;
    transport->f_close = transport_close;
    return transport;
}

/* -- Receiving ------------------------------------------------------------------------------- */

static struct phu_session *session_of(const struct phu_udp_peer *peer)
{
    return phu_container_of(peer, struct phu_session, peer);
}

static bool is_for(const struct phu_udp_peer *peer, const uint8_t *bytes, size_t length)
{
    const struct phu_session *session = session_of(peer);
    uint32_t id;

    return session->is_asking && phu_message_peek_id(bytes, length, &id) && id == session->id;
}

/* A message about another engine than the one that was asked. The library drops it unseen and
 * remembers the engine for ever; it means that the device was swapped or has got a new identity. */
static void take_strange_engine(struct phu_session *session,
                                const struct phu_udp_datagram *datagram)
{
    const struct phu_usm_user *user = session->config.user;
    const uint8_t *engine;
    size_t length;

    if (!phu_message_peek_engine(datagram->bytes, datagram->length, &engine, &length))
        return;
    if (user && phu_usm_engine(user)->length == length &&
        !memcmp(phu_usm_engine(user)->id, engine, length))
        return;
    phu_usm_forget(session->shell->usm, engine, length);
    if (user && !session->has_news && is_for(&session->peer, datagram->bytes, datagram->length)) {
        note(session, PHU_SESSION_REPORT);
        session->news.report = PHU_REPORT_UNKNOWN_ENGINE;
    }
}

static void heard(struct phu_udp_peer *peer, const struct phu_udp_datagram *datagram)
{
    struct phu_session *session = session_of(peer);

    session->arrived_ns = datagram->at_ns;
    session->sent_ns = peer->sent_ns;
    session->datagram = datagram;
    NETSNMP_LARGE_FD_SET(STAND_IN_FD, &session->shell->ready);
    enter_library(session);
    snmp_sess_read2(session->handle, &session->shell->ready);
    leave_library(session);
    if (session->config.secret->version == PHU_SNMP_V3)
        take_strange_engine(session, datagram);
    if (session->has_news)
        tell(session);
    else
        session->counts.ignored++;
}

/* An error that may pass by itself is only remembered, in case no answer comes. */
static void failed(struct phu_udp_peer *peer, int error, bool is_final)
{
    struct phu_session *session = session_of(peer);

    if (!session->is_asking || session->has_news)
        return;
    if (!is_final) {
        session->passing_error = error;
        return;
    }
    session->arrived_ns = phu_sched_now(session->shell->sched).ns;
    tell_soon(session, event_of(error), -error);
}

static void on_timer(struct phu_timer *timer)
{
    struct phu_session *session = phu_container_of(timer, struct phu_session, timer);

    if (!session->has_news && session->is_asking) {
        session->arrived_ns = phu_sched_now(session->shell->sched).ns;
        enter_library(session);
        snmp_sess_timeout(session->handle);
        leave_library(session);
    }
    if (session->has_news)
        tell(session);
    else if (session->is_asking && !phu_timer_is_armed(&session->timer))
        phu_timer_after(session->shell->sched, &session->timer, TIMER_MARGIN_NS);
}

/* -- Opening --------------------------------------------------------------------------------- */

static void describe_user(netsnmp_session *template, const struct phu_session_config *config)
{
    const struct phu_secret *secret = config->secret;

    template->version = SNMP_VERSION_3;
    template->securityModel = SNMP_SEC_MODEL_USM;
    template->securityLevel = secret->privacy != PHU_SNMP_PRIVACY_NONE ? SNMP_SEC_LEVEL_AUTHPRIV
                              : secret->auth != PHU_SNMP_AUTH_NONE     ? SNMP_SEC_LEVEL_AUTHNOPRIV
                                                                       : SNMP_SEC_LEVEL_NOAUTH;
    template->securityName = (char *)secret->user;
    template->securityNameLen = strlen(secret->user);
    template->contextName = (char *)secret->context;
    template->contextNameLen = strlen(secret->context);
    if (config->user) {
        const struct phu_usm_engine *engine = phu_usm_engine(config->user);

        template->securityEngineID = (u_char *)engine->id;
        template->securityEngineIDLen = engine->length;
    }
}

static int open_library(struct phu_session *session)
{
    const struct phu_session_config *config = &session->config;
    netsnmp_transport *transport = make_transport(session);
    netsnmp_session template;

    if (!transport)
        return -ENOMEM;
    snmp_sess_init(&template);
    template.myvoid = session;
    template.retries = config->retries;
    template.timeout = (long)(config->timeout_ns / PHU_NS_PER_US);
    template.flags |= SNMP_FLAGS_DONT_PROBE | SNMP_FLAGS_USER_CREATED;
    if (config->secret->version == PHU_SNMP_V3) {
        describe_user(&template, config);
    } else {
        template.version =
            config->secret->version == PHU_SNMP_V1 ? SNMP_VERSION_1 : SNMP_VERSION_2c;
        template.community = (u_char *)config->secret->community;
        template.community_len = strlen(config->secret->community);
    }
    session->handle = snmp_sess_add_ex(&template, transport, NULL,
                                       template.version == SNMP_VERSION_3 ? NULL : parse, NULL,
                                       NULL, NULL, NULL, NULL);
    if (!session->handle)
        return -EIO;
    snmp_sess_session(session->handle)->flags |= SNMP_FLAGS_DONT_PROBE;
    return 0;
}

int phu_session_open(struct phu_session_shell *shell, const struct phu_session_config *config,
                     struct phu_session **out)
{
    struct phu_udp *udp = config->address->sa_family == AF_INET6 ? shell->v6 : shell->v4;
    struct phu_session *session = calloc(1, sizeof *session);
    int error;

    if (!session)
        return -ENOMEM;
    session->shell = shell;
    session->config = *config;
    phu_timer_init(&session->timer, on_timer);
    error = udp ? phu_udp_join(udp, &session->peer, config->address) : -EAFNOSUPPORT;
    if (!error)
        error = open_library(session);
    if (error) {
        phu_session_close(session);
        return error;
    }
    *out = session;
    return 0;
}

void phu_session_close(struct phu_session *session)
{
    if (!session)
        return;
    session->is_asking = false;
    if (session->handle)
        snmp_sess_close(session->handle);
    phu_timer_cancel(session->shell->sched, &session->timer);
    phu_udp_leave(&session->peer);
    free(session);
}

/* -- Asking ---------------------------------------------------------------------------------- */

static void submit(struct phu_session *session, netsnmp_pdu *pdu)
{
    bool is_sent;

    session->is_asking = true;
    session->has_news = false;
    session->resends = 0;
    session->passing_error = 0;
    session->overflows = phu_udp_overflows_known(session->peer.udp);
    enter_library(session);
    is_sent = snmp_sess_async_send(session->handle, pdu, on_library, session) != 0;
    leave_library(session);
    if (!is_sent) {
        snmp_free_pdu(pdu);
        tell_soon(session, PHU_SESSION_FAILED, -EPROTO);
    } else if (!session->has_news) {
        restart_timer(session);
    }
}

/* Nobody off the path can guess it, which is all the protection that versions 1 and 2c have. */
static long random_id(struct phu_session_shell *shell)
{
    long id;

    if (shell->random_left == 0) {
        if (getrandom(shell->random, sizeof shell->random, GRND_NONBLOCK) !=
            (ssize_t)sizeof shell->random)
            return snmp_get_next_reqid();
        shell->random_left = RANDOM_IDS;
    }
    id = (long)(shell->random[--shell->random_left] & INT32_MAX);
    return id ? id : 1;
}

void phu_session_ask(struct phu_session *session, const struct phu_walk_request *request)
{
    netsnmp_pdu *pdu = snmp_pdu_create(request->is_exact  ? SNMP_MSG_GET
                                       : request->is_bulk ? SNMP_MSG_GETBULK
                                                          : SNMP_MSG_GETNEXT);

    if (!pdu)
        abort();
    pdu->reqid = random_id(session->shell);
    pdu->msgid = random_id(session->shell);
    if (request->is_bulk) {
        pdu->non_repeaters = request->scalars;
        pdu->max_repetitions = request->repetitions;
    }
    for (unsigned i = 0; i < request->name_count; i++) {
        const struct phu_walk_name *name = &request->names[i];
        oid parts[PHU_OID_MAX + PHU_INDEX_MAX];
        size_t length = name->prefix->length;

        for (size_t k = 0; k < length; k++)
            parts[k] = name->prefix->part[k];
        for (size_t k = 0; k < name->place->length; k++)
            parts[length++] = name->place->part[k];
        snmp_add_null_var(pdu, parts, length);
    }
    submit(session, pdu);
}

void phu_session_discover(struct phu_session *session)
{
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GET);

    if (!pdu)
        abort();
    pdu->msgid = random_id(session->shell);
    pdu->version = SNMP_VERSION_3;
    pdu->securityModel = SNMP_SEC_MODEL_USM;
    pdu->securityLevel = SNMP_SEC_LEVEL_NOAUTH;
    pdu->securityName = strdup("");
    pdu->securityNameLen = 0;
    submit(session, pdu);
}
