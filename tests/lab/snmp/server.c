/* Owns the recordings, and the memory that a request is worked on in. */
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that version 3 puts around a PDU, at most, but for the context's name. */
enum { LAB_V3_AROUND = 2 * LAB_ENGINE_MAX + LAB_USERNAME_MAX + 160 };

struct lab_server {
    struct lab_server_config config;
    struct lab_recording **recordings; /* by name */
    size_t recording_count;
    struct lab_recording *otherwise;
    struct lab_faults *faults;
    struct lab_usm *usm; /* NULL without users */
    struct lab_counts counts;
    uint64_t dice;
    struct lab_pdu pdu;
    struct lab_column columns[LAB_NAMES_MAX];
};

static void *reserve(void *items, size_t size)
{
    void *made = realloc(items, size);

    if (!made) {
        perror("phusong-lab-snmp: out of memory");
        exit(1);
    }
    return made;
}

struct lab_server *lab_server_new(const struct lab_server_config *config)
{
    struct lab_server *server = reserve(NULL, sizeof(*server));

    memset(server, 0, sizeof(*server));
    server->config = *config;
    server->faults = lab_faults_new(config->seed);
    server->dice = config->seed;
    return server;
}

int lab_server_add_user(struct lab_server *server, const char *text, struct lab_error *err)
{
    if (!server->usm)
        server->usm = lab_usm_new();
    if (!server->usm)
        return lab_fail(err, "OpenSSL does not do what version 3 needs");
    return lab_usm_add_user(server->usm, text, err);
}

void lab_server_free(struct lab_server *server)
{
    if (!server)
        return;
    for (size_t i = 0; i < server->recording_count; i++)
        lab_recording_free(server->recordings[i]);
    free(server->recordings);
    lab_faults_free(server->faults);
    lab_usm_free(server->usm);
    free(server);
}

/* Where the name is, or would be. */
static size_t find_place(const struct lab_server *server, const char *name, size_t length,
                         bool *is_there)
{
    size_t low = 0;
    size_t high = server->recording_count;

    *is_there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *found = server->recordings[middle]->name;
        int order = strncmp(found, name, length);

        if (order == 0)
            order = found[length] != '\0';
        if (order == 0) {
            *is_there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct lab_recording *find_recording(const struct lab_server *server, const char *name,
                                            size_t length)
{
    bool is_there;
    size_t place = find_place(server, name, length, &is_there);

    return is_there ? server->recordings[place] : NULL;
}

struct lab_recording *lab_server_recording(struct lab_server *server, const char *name)
{
    return find_recording(server, name, strlen(name));
}

size_t lab_server_recordings(const struct lab_server *server)
{
    return server->recording_count;
}

void lab_server_take_recording(struct lab_server *server, struct lab_recording *recording)
{
    bool is_there;
    size_t place = find_place(server, recording->name, strlen(recording->name), &is_there);

    if (is_there) {
        if (server->otherwise == server->recordings[place])
            server->otherwise = recording;
        lab_recording_free(server->recordings[place]);
    } else {
        server->recordings = reserve(server->recordings,
                                     (server->recording_count + 1) * sizeof(*server->recordings));
        memmove(server->recordings + place + 1, server->recordings + place,
                (server->recording_count++ - place) * sizeof(*server->recordings));
    }
    server->recordings[place] = recording;
}

int lab_server_set_default(struct lab_server *server, const char *name)
{
    struct lab_recording *recording = lab_server_recording(server, name);

    if (!recording)
        return -ENOENT;
    server->otherwise = recording;
    return 0;
}

struct lab_counts *lab_server_counts(struct lab_server *server)
{
    return &server->counts;
}

struct lab_faults *lab_server_faults(struct lab_server *server)
{
    return server->faults;
}

static bool is_accepted(const struct lab_server *server, struct lab_bytes community)
{
    const char *wanted = server->config.community;

    return !wanted || (strlen(wanted) == community.length &&
                       memcmp(wanted, community.at, community.length) == 0);
}

/* By address, by community, or the default. */
static const struct lab_recording *choose_recording(const struct lab_server *server,
                                                    const struct lab_faulty *found,
                                                    struct lab_bytes community)
{
    const struct lab_fault *mapped = found->by[LAB_FAULT_RECORDING];
    const struct lab_recording *named;

    if (mapped)
        return is_accepted(server, community)
                   ? find_recording(server, (const char *)mapped->bytes, mapped->length)
                   : NULL;
    named = find_recording(server, (const char *)community.at, community.length);
    if (named)
        return named;
    return is_accepted(server, community) ? server->otherwise : NULL;
}

static struct lab_age find_age(const struct lab_server *server, const struct lab_addr *to,
                               const struct lab_faulty *found, int64_t now_ns)
{
    uint64_t bits = lab_addr_hash(to) ^ server->config.seed * 0x9e3779b97f4a7c15u;
    struct lab_age age = {.ns = now_ns - server->config.started_ns};

    if (found->reboots)
        return (struct lab_age){.ns = now_ns - found->rebooted_ns, .is_restarted = true};
    if (server->config.spread_ns)
        age.ns += (int64_t)(bits % (uint64_t)server->config.spread_ns);
    return age;
}

static uint32_t count_of(const struct lab_faulty *found, enum lab_fault_kind kind)
{
    return found->by[kind] ? (uint32_t)found->by[kind]->number : 0;
}

static struct lab_quirks find_quirks(const struct lab_faulty *found)
{
    struct lab_quirks quirks = {
        .too_big_over = count_of(found, LAB_FAULT_TOO_BIG),
        .most_varbinds = count_of(found, LAB_FAULT_MOST),
        .is_backwards = found->by[LAB_FAULT_BACKWARDS],
        .is_stuck = found->by[LAB_FAULT_STUCK],
        .is_reversed = found->by[LAB_FAULT_REVERSED],
        .has_wrong_id = found->by[LAB_FAULT_WRONG_ID],
        .sick_count = found->sick_count,
    };

    for (size_t i = 0; i < found->sick_count; i++) {
        quirks.sick[i].key = found->sick[i]->bytes;
        quirks.sick[i].length = found->sick[i]->length;
    }
    return quirks;
}

static void count_request(struct lab_counts *counts, uint8_t type)
{
    counts->gets += type == LAB_PDU_GET;
    counts->nexts += type == LAB_PDU_NEXT;
    counts->bulks += type == LAB_PDU_BULK;
    counts->sets += type == LAB_PDU_SET;
}

/* One request on its way through. */
struct visit {
    struct lab_server *server;
    const struct lab_addr *to;
    int64_t now_ns;
    struct lab_faulty found;
    struct lab_writer *out;
    size_t most; /* bytes that the manager can take */
};

static size_t most_bytes(const struct visit *visit)
{
    size_t limit = count_of(&visit->found, LAB_FAULT_BYTES);
    size_t most = visit->server->config.most_bytes;

    if (limit && limit < most)
        most = limit;
    return visit->most < most ? visit->most : most;
}

/* Answers the PDU in the server's hands from that recording. */
static int answer_pdu(struct visit *visit, enum lab_version version,
                      const struct lab_recording *recording, size_t around)
{
    struct lab_server *server = visit->server;
    size_t most = most_bytes(visit);
    struct lab_answer answer;
    struct lab_device device = {
        .recording = recording,
        .age = find_age(server, visit->to, &visit->found, visit->now_ns),
        .quirks = find_quirks(&visit->found),
        .hint = SIZE_MAX,
        .columns = server->columns,
    };

    if (server->pdu.type == LAB_PDU_BULK && visit->found.by[LAB_FAULT_NO_BULK]) {
        server->counts.silent++;
        return -EAGAIN;
    }
    if (lab_answer_write(&server->pdu, version, &device, most > around ? most - around : 0,
                         visit->out, &answer) < 0)
        return -EBADMSG;
    server->counts.varbinds += answer.varbinds;
    server->counts.errors += answer.status != LAB_NO_ERROR;
    return 0;
}

/* Version 1 and 2c: answers, or returns a negative errno for silence. */
static int answer_community(struct visit *visit, struct lab_bytes message, enum lab_version version)
{
    struct lab_server *server = visit->server;
    const struct lab_recording *recording;
    struct lab_bytes community;
    int error;

    if (lab_message_community(&message, &community) < 0 || lab_pdu_parse(message, &server->pdu) < 0)
        return -EBADMSG;
    count_request(&server->counts, server->pdu.type);
    recording = choose_recording(server, &visit->found, community);
    if (!recording) {
        server->counts.unknown++;
        return -ENOENT;
    }
    error = answer_pdu(visit, version, recording, community.length + 16);
    if (error < 0)
        return error;
    lab_writer_prepend_octets(visit->out, LAB_TAG_OCTETS, community.at, community.length);
    lab_writer_prepend_integer(visit->out, version);
    lab_writer_wrap(visit->out, LAB_TAG_SEQUENCE);
    return 0;
}

/* Enterprise 32473 is for examples (RFC 5612); then the address, as RFC 3411 has it. */
static void find_engine(const struct visit *visit, struct lab_engine *engine)
{
    static const uint8_t enterprise[] = {0x80, 0x00, 0x7e, 0xd9};
    const struct lab_fault *other = visit->found.by[LAB_FAULT_ENGINE];
    const struct lab_fault *clock = visit->found.by[LAB_FAULT_CLOCK];
    struct lab_age age = find_age(visit->server, visit->to, &visit->found, visit->now_ns);
    size_t skip = lab_addr_is_v4(visit->to) ? 12 : 0;

    *engine = (struct lab_engine){
        .boots = 1 + visit->found.reboots,
        .time = (uint32_t)((age.ns + (clock ? (int64_t)clock->number : 0)) / 1000000000),
    };
    if (other) {
        engine->length = other->length;
        memcpy(engine->id, other->bytes, other->length);
        return;
    }
    memcpy(engine->id, enterprise, sizeof(enterprise));
    engine->id[4] = skip ? 1 : 2;
    memcpy(engine->id + 5, visit->to->b + skip, 16 - skip);
    engine->length = 5 + 16 - skip;
}

static int send_report(struct visit *visit, const struct lab_v3 *message,
                       const struct lab_engine *engine, enum lab_report report, int32_t id)
{
    struct lab_bytes no_context = {NULL, 0};
    uint64_t count = ++visit->server->counts.reports[report];

    if (!(message->flags & LAB_FLAG_REPORTABLE))
        return -EPERM;
    lab_answer_report(id, lab_report_name(report), count, visit->out);
    lab_usm_seal(visit->server->usm, message, engine, lab_report_level(report, message->flags),
                 no_context, visit->out);
    return 0;
}

/* By context, by address, or the default; the only one is the default, too. */
static const struct lab_recording *choose_context(const struct visit *visit,
                                                  struct lab_bytes context)
{
    const struct lab_server *server = visit->server;
    const struct lab_fault *mapped = visit->found.by[LAB_FAULT_RECORDING];

    if (context.length)
        return find_recording(server, (const char *)context.at, context.length);
    if (mapped)
        return find_recording(server, (const char *)mapped->bytes, mapped->length);
    if (server->otherwise || server->recording_count != 1)
        return server->otherwise;
    return server->recordings[0];
}

/* The request is authentic: answers what is in it. */
static int answer_scoped(struct visit *visit, const struct lab_v3 *message,
                         const struct lab_engine *engine, struct lab_bytes scoped)
{
    struct lab_server *server = visit->server;
    unsigned level = message->flags & (LAB_FLAG_AUTH | LAB_FLAG_PRIV);
    const struct lab_recording *recording;
    struct lab_bytes inside;
    struct lab_bytes for_engine;
    struct lab_bytes context;
    int error = 0;

    if (lab_ber_take_tag(&scoped, LAB_TAG_SEQUENCE, &inside) < 0 ||
        lab_ber_take_tag(&inside, LAB_TAG_OCTETS, &for_engine) < 0 ||
        lab_ber_take_tag(&inside, LAB_TAG_OCTETS, &context) < 0 ||
        context.length > LAB_COMMUNITY_MAX || lab_pdu_parse(inside, &server->pdu) < 0)
        return -EBADMSG;
    count_request(&server->counts, server->pdu.type);
    if (for_engine.length != engine->length ||
        memcmp(for_engine.at, engine->id, engine->length) != 0)
        return send_report(visit, message, engine, LAB_REPORT_HANDLER, server->pdu.id);
    recording = choose_context(visit, context);
    if (!recording)
        return send_report(visit, message, engine, LAB_REPORT_CONTEXT, server->pdu.id);
    if (lab_usm_level(server->usm, message) & ~level) {
        server->counts.errors++;
        lab_answer_refuse(&server->pdu, LAB_AUTHORIZATION, visit->out);
    } else {
        error = answer_pdu(visit, LAB_V3, recording, context.length + LAB_V3_AROUND);
    }
    if (error == 0)
        lab_usm_seal(server->usm, message, engine, level, context, visit->out);
    return error;
}

static int answer_v3(struct visit *visit, struct lab_bytes whole, struct lab_bytes inside)
{
    struct lab_engine engine;
    struct lab_bytes scoped;
    enum lab_report report;
    struct lab_v3 message;

    if (!visit->server->usm || lab_v3_parse(whole, inside, &message) < 0)
        return -EBADMSG;
    find_engine(visit, &engine);
    visit->most = (size_t)message.most;
    report = lab_usm_open(visit->server->usm, &message, &engine, &scoped);
    if (report != LAB_REPORT_NONE)
        return send_report(visit, &message, &engine, report, 0);
    return answer_scoped(visit, &message, &engine, scoped);
}

static bool is_dropped(struct lab_server *server, const struct lab_faulty *found)
{
    uint64_t bits;

    if (found->by[LAB_FAULT_SILENCE])
        return true;
    if (!found->by[LAB_FAULT_DROP])
        return false;
    bits = server->dice += 0x9e3779b97f4a7c15u;
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111ebu;
    return (double)((bits ^ bits >> 31) >> 11) * 0x1p-53 < found->by[LAB_FAULT_DROP]->number;
}

static struct lab_fate find_fate(const struct lab_faulty *found, const struct lab_addr *to,
                                 size_t length)
{
    uint32_t cut = count_of(found, LAB_FAULT_CUT);
    struct lab_fate fate = {
        .copies = 1 + count_of(found, LAB_FAULT_DUPLICATE),
        .length = cut && cut < length ? cut : length,
        .source = *to,
    };

    if (found->by[LAB_FAULT_DELAY])
        fate.delay_ns = (int64_t)found->by[LAB_FAULT_DELAY]->number;
    if (found->by[LAB_FAULT_WRONG_SOURCE])
        fate.source.b[15] ^= 1;
    return fate;
}

void lab_server_answer(struct lab_server *server, const uint8_t *request, size_t length,
                       const struct lab_addr *to, int64_t now_ns, struct lab_writer *out,
                       struct lab_fate *fate)
{
    struct visit visit = {
        .server = server, .to = to, .now_ns = now_ns, .out = out, .most = SIZE_MAX};
    struct lab_bytes message = {request, length};
    enum lab_version version;
    int error = lab_message_open(&message, &version);

    *fate = (struct lab_fate){.copies = 0};
    server->counts.requests++;
    if (error == 0) {
        lab_faults_find(server->faults, to, now_ns, &visit.found);
        if (is_dropped(server, &visit.found)) {
            server->counts.silent++;
            return;
        }
        error = version == LAB_V3 ? answer_v3(&visit, (struct lab_bytes){request, length}, message)
                                  : answer_community(&visit, message, version);
    }
    server->counts.bad += error == -EBADMSG;
    if (error < 0 || out->is_full)
        return;
    *fate = find_fate(&visit.found, to, lab_writer_length(out));
    server->counts.answers++;
}
