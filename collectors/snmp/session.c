/* One conversation with one device. See session.h.
 *
 * An answer belongs to the question whose number it carries, and which was put to the address that
 * it comes from; everything else is ignored. A repetition of versions 1 and 2c is the same message
 * once more; one of version 3 is a new message about the same question, because its number, its
 * time and its salt must be new.
 */
#include "session.h"

#include "crypt.h"
#include "encode.h"
#include "message.h"
#include "phusong/credential.h"
#include "phusong/sched.h"
#include "secret.h"
#include "secure.h"
#include "socket.h"
#include "usm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define RANDOM_IDS 256

struct phu_session_shell {
    struct phu_sched *sched;
    struct phu_crypt *crypt;
    uint32_t random[RANDOM_IDS];
    size_t random_left;
    struct phu_udp *v4, *v6;   /* NULL: the machine has no such addresses */
    struct phu_session *spare; /* closed ones, for polls to come */
    uint8_t question[PHU_QUESTION_SIZE_MAX + PHU_SECURE_SLACK];
    struct phu_message_room room;
    uint8_t plain[PHU_MESSAGE_SIZE_MAX]; /* a message of version 3, decrypted */
};

struct phu_session {
    struct phu_session *next; /* among the spare ones */
    struct phu_session_shell *shell;
    struct phu_session_config config;
    struct phu_udp_peer peer;
    uint32_t id;         /* of the last message sent */
    uint32_t request_id; /* the same, but for version 3 */
    uint8_t *pdu;        /* what is being asked, for repetitions */
    size_t pdu_length, pdu_capacity;
    struct phu_timer timer;
    bool is_asking, has_news;
    bool must_repeat;  /* the device's clock has become known: at once */
    bool has_resynced; /* that has happened for this question */
    unsigned repeats_left;
    struct phu_session_news news;
    int64_t arrived_ns;
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
                          struct phu_udp_counts *counts, struct phu_session_shell **out)
{
    struct phu_session_shell *shell = calloc(1, sizeof *shell);
    int error;

    if (!shell)
        return -ENOMEM;
    shell->sched = sched;
    error = phu_crypt_new(&shell->crypt);
    if (!error)
        error = open_sockets(shell, receive_buffer, counts);
    if (error) {
        phu_session_shell_free(shell);
        return error;
    }
    *out = shell;
    return 0;
}

void phu_session_shell_free(struct phu_session_shell *shell)
{
    struct phu_session *session;

    if (!shell)
        return;
    while ((session = shell->spare)) {
        shell->spare = session->next;
        free(session->pdu);
        free(session);
    }
    phu_udp_close(shell->v4);
    phu_udp_close(shell->v6);
    phu_crypt_free(shell->crypt);
    free(shell);
}

static int64_t now_ns(const struct phu_session *session)
{
    return phu_sched_now(session->shell->sched).ns;
}

static bool is_version_3(const struct phu_session *session)
{
    return session->config.secret->version == PHU_SNMP_V3;
}

/* -- News ------------------------------------------------------------------------------------ */

static void note(struct phu_session *session, enum phu_session_event event)
{
    if (session->has_news || !session->is_asking)
        return;
    session->has_news = true;
    session->news =
        (struct phu_session_news){.event = event,
                                  .response_ns = session->arrived_ns - session->peer.sent_ns,
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

/* No answer came, or none that we had room for. */
static void note_timeout(struct phu_session *session)
{
    enum phu_session_event event = PHU_SESSION_TIMEOUT;
    int error = session->passing_error;

    if (phu_udp_overflows(session->peer.udp) != session->overflows)
        error = ENOBUFS;
    if (error)
        event = event_of(error);
    else
        session->counts.timeouts++;
    note(session, event);
    session->news.error = -error;
}

/* -- Sending --------------------------------------------------------------------------------- */

/* Nobody off the path can guess it, which is all the protection that versions 1 and 2c have. */
static uint32_t random_id(struct phu_session_shell *shell)
{
    uint32_t id;

    if (shell->random_left == 0) {
        if (getrandom(shell->random, sizeof shell->random, 0) != (ssize_t)sizeof shell->random)
            abort(); /* never, for so few bytes */
        shell->random_left = RANDOM_IDS;
    }
    id = shell->random[--shell->random_left] & INT32_MAX;
    return id ? id : 1;
}

static struct phu_secure_asker asker_of(const struct phu_session *session)
{
    return (struct phu_secure_asker){session->shell->crypt, session->config.secret,
                                     session->config.user};
}

static void send_message(struct phu_session *session, const struct phu_encoder *message)
{
    int error = message->is_full
                    ? -EMSGSIZE
                    : phu_udp_put(&session->peer, message->at, phu_encoder_length(message));

    if (error) {
        tell_soon(session, PHU_SESSION_FAILED, error);
        return;
    }
    session->counts.sent++;
    if (!session->has_news)
        phu_timer_after(session->shell->sched, &session->timer, session->config.timeout_ns);
}

/* What is in `message` is the PDU. */
static void send_pdu(struct phu_session *session, struct phu_encoder *message)
{
    const struct phu_secret *secret = session->config.secret;
    struct phu_secure_asker asker = asker_of(session);

    session->must_repeat = false;
    if (secret->version != PHU_SNMP_V3) {
        session->id = session->request_id;
        phu_encode_community(message, secret->version, secret->community);
        send_message(session, message);
        return;
    }
    session->id = random_id(session->shell);
    if (phu_secure_seal(&asker, message, session->id, now_ns(session)))
        send_message(session, message);
    else
        tell_soon(session, PHU_SESSION_FAILED, -EPROTO);
}

static void begin_message(const struct phu_session *session, struct phu_encoder *message)
{
    phu_encoder_init(message, session->shell->question, PHU_QUESTION_SIZE_MAX);
}

static void repeat(struct phu_session *session)
{
    const struct phu_session_config *config = &session->config;
    int64_t wait_ns = config->wait ? config->wait(config->arg) : 0;
    struct phu_encoder message;

    if (wait_ns > 0) {
        phu_timer_after(session->shell->sched, &session->timer, wait_ns);
        return;
    }
    if (!session->must_repeat)
        session->repeats_left--;
    begin_message(session, &message);
    phu_encode_bytes(&message, session->pdu, session->pdu_length);
    send_pdu(session, &message);
}

static void on_timer(struct phu_timer *timer)
{
    struct phu_session *session = phu_container_of(timer, struct phu_session, timer);

    if (!session->has_news && session->is_asking) {
        session->arrived_ns = now_ns(session);
        if (session->must_repeat || session->repeats_left > 0)
            repeat(session);
        else
            note_timeout(session);
    }
    if (session->has_news)
        tell(session);
}

/* -- Asking ---------------------------------------------------------------------------------- */

static void keep_pdu(struct phu_session *session, const struct phu_encoder *pdu)
{
    size_t length = phu_encoder_length(pdu);

    if (length > session->pdu_capacity) {
        free(session->pdu);
        session->pdu = malloc(length);
        if (!session->pdu)
            abort();
        session->pdu_capacity = length;
    }
    memcpy(session->pdu, pdu->at, length);
    session->pdu_length = length;
}

void phu_session_ask(struct phu_session *session, const struct phu_walk_request *request)
{
    struct phu_encoder message;

    session->is_asking = true;
    session->has_news = session->has_resynced = false;
    session->repeats_left = session->config.retries;
    session->passing_error = 0;
    session->overflows = phu_udp_overflows_known(session->peer.udp);
    session->request_id = random_id(session->shell);
    begin_message(session, &message);
    phu_encode_pdu(&message, request, session->request_id);
    keep_pdu(session, &message);
    send_pdu(session, &message);
}

void phu_session_discover(struct phu_session *session)
{
    phu_session_ask(session, &(struct phu_walk_request){.is_exact = true});
}

/* -- Answers --------------------------------------------------------------------------------- */

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

static void note_answer(struct phu_session *session, const struct phu_message *message)
{
    if (message->request_id != session->request_id)
        return;
    note(session, PHU_SESSION_ANSWER);
    session->news.varbinds = message->varbinds;
    session->news.count = message->count;
    session->news.error_status = message->error_status;
    session->news.error_index = message->error_index > 0 ? (size_t)message->error_index : 0;
}

static void hear_community(struct phu_session *session, const struct phu_udp_datagram *datagram)
{
    int version = session->config.secret->version == PHU_SNMP_V1 ? PHU_MESSAGE_V1 : PHU_MESSAGE_V2C;
    struct phu_message message;

    if (phu_message_decode(datagram->bytes, datagram->length, &session->shell->room, &message) &&
        message.version == version)
        note_answer(session, &message);
}

/* -- Reports --------------------------------------------------------------------------------- */

#define REPORT_PARTS 11 /* 1.3.6.1.6.3.GROUP.1.1.NUMBER.0, or one less in the group */

/* The counters of RFC 3414, 5 and RFC 3413, 4.1.2, by which a report says what is wrong. */
static enum phu_session_report report_of(const struct phu_message *message)
{
    static const struct {
        unsigned long parts[REPORT_PARTS];
        size_t length; /* without the final 0, which some leave out */
        enum phu_session_report report;
    } reports[] = {
        {{1, 3, 6, 1, 6, 3, 15, 1, 1, 1}, 10, PHU_REPORT_LEVEL},
        {{1, 3, 6, 1, 6, 3, 15, 1, 1, 2}, 10, PHU_REPORT_TIME_WINDOW},
        {{1, 3, 6, 1, 6, 3, 15, 1, 1, 3}, 10, PHU_REPORT_UNKNOWN_USER},
        {{1, 3, 6, 1, 6, 3, 15, 1, 1, 4}, 10, PHU_REPORT_UNKNOWN_ENGINE},
        {{1, 3, 6, 1, 6, 3, 15, 1, 1, 5}, 10, PHU_REPORT_WRONG_DIGEST},
        {{1, 3, 6, 1, 6, 3, 15, 1, 1, 6}, 10, PHU_REPORT_DECRYPTION},
        {{1, 3, 6, 1, 6, 3, 12, 1, 4}, 9, PHU_REPORT_CONTEXT},
        {{1, 3, 6, 1, 6, 3, 12, 1, 5}, 9, PHU_REPORT_CONTEXT},
    };

    for (size_t i = 0; message->count && i < sizeof reports / sizeof *reports; i++) {
        if (message->varbinds[0].oid_length >= reports[i].length &&
            !memcmp(message->varbinds[0].oid, reports[i].parts,
                    reports[i].length * sizeof *reports[i].parts))
            return reports[i].report;
    }
    return PHU_REPORT_OTHER;
}

static void note_report(struct phu_session *session, const struct phu_message_header *header,
                        enum phu_session_report report)
{
    note(session, PHU_SESSION_REPORT);
    session->news.report = report;
    if (header->engine.length == 0 || header->engine.length > PHU_ENGINE_ID_MAX)
        return;
    session->engine = (struct phu_usm_engine){.length = (uint8_t)header->engine.length,
                                              .boots = header->boots,
                                              .time_s = header->time_s,
                                              .at_ns = session->arrived_ns};
    memcpy(session->engine.id, header->engine.bytes, header->engine.length);
}

/* Once, our idea of the device's clock is put right, and the question repeated. */
static void take_report(struct phu_session *session, const struct phu_message_header *header,
                        const struct phu_message *message)
{
    enum phu_session_report report = report_of(message);

    if (session->must_repeat) /* and is waiting for its turn */
        return;
    if (report != PHU_REPORT_TIME_WINDOW || session->has_resynced || !session->config.user) {
        note_report(session, header, report);
        return;
    }
    session->has_resynced = session->must_repeat = true;
    repeat(session);
}

static void hear_secured(struct phu_session *session, const struct phu_udp_datagram *datagram)
{
    struct phu_session_shell *shell = session->shell;
    struct phu_secure_asker asker = asker_of(session);
    struct phu_message_header header;
    struct phu_message message;

    if (!phu_message_decode_header(datagram->bytes, datagram->length, &header) ||
        header.id != session->id)
        return;
    switch (phu_secure_open(&asker, datagram->bytes, &header, session->arrived_ns, shell->plain,
                            &shell->room, &message)) {
    case PHU_SECURE_GOOD:
        if (message.is_report)
            take_report(session, &header, &message);
        else
            note_answer(session, &message);
        return;
    case PHU_SECURE_STRANGE: /* the device was swapped, or has got a new identity */
        if (header.engine.length > 0)
            note_report(session, &header, PHU_REPORT_UNKNOWN_ENGINE);
        return;
    case PHU_SECURE_DAMAGED:
        return;
    }
}

/* -- What the socket tells ------------------------------------------------------------------- */

static void heard(struct phu_udp_peer *peer, const struct phu_udp_datagram *datagram)
{
    struct phu_session *session = session_of(peer);
    bool has_resynced = session->has_resynced;

    if (session->is_asking && !session->has_news) {
        session->arrived_ns = datagram->at_ns;
        if (is_version_3(session))
            hear_secured(session, datagram);
        else
            hear_community(session, datagram);
    }
    if (session->has_news)
        tell(session);
    else if (session->has_resynced == has_resynced)
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
    session->arrived_ns = now_ns(session);
    tell_soon(session, event_of(error), -error);
}

/* -- Opening --------------------------------------------------------------------------------- */

/* As if new, but for its memory. */
static struct phu_session *take_spare(struct phu_session_shell *shell)
{
    struct phu_session *session = shell->spare;

    if (!session)
        return calloc(1, sizeof *session);
    shell->spare = session->next;
    *session = (struct phu_session){.pdu = session->pdu, .pdu_capacity = session->pdu_capacity};
    return session;
}

int phu_session_open(struct phu_session_shell *shell, const struct phu_session_config *config,
                     struct phu_session **out)
{
    struct phu_udp *udp = config->address->sa_family == AF_INET6 ? shell->v6 : shell->v4;
    struct phu_session *session = take_spare(shell);
    int error;

    if (!session)
        return -ENOMEM;
    session->shell = shell;
    session->config = *config;
    phu_timer_init(&session->timer, on_timer);
    error = udp ? phu_udp_join(udp, &session->peer, config->address) : -EAFNOSUPPORT;
    if (error) {
        phu_session_close(session);
        return error;
    }
    *out = session;
    return 0;
}

void phu_session_close(struct phu_session *session)
{
    struct phu_session_shell *shell;

    if (!session)
        return;
    shell = session->shell;
    phu_timer_cancel(shell->sched, &session->timer);
    phu_udp_leave(&session->peer);
    session->is_asking = false;
    session->next = shell->spare;
    shell->spare = session;
}
