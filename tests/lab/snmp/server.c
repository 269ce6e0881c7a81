/* Owns the recordings, and the memory that a request is worked on in. */
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lab_server {
    struct lab_server_config config;
    struct lab_recording **recordings; /* by name */
    size_t recording_count;
    struct lab_recording *otherwise;
    struct lab_counts counts;
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
    return server;
}

void lab_server_free(struct lab_server *server)
{
    if (!server)
        return;
    for (size_t i = 0; i < server->recording_count; i++)
        lab_recording_free(server->recordings[i]);
    free(server->recordings);
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

const struct lab_counts *lab_server_counts(const struct lab_server *server)
{
    return &server->counts;
}

static bool is_accepted(const struct lab_server *server, struct lab_bytes community)
{
    const char *wanted = server->config.community;

    return !wanted || (strlen(wanted) == community.length &&
                       memcmp(wanted, community.at, community.length) == 0);
}

static const struct lab_recording *choose_recording(const struct lab_server *server,
                                                    struct lab_bytes community)
{
    const struct lab_recording *named =
        find_recording(server, (const char *)community.at, community.length);

    if (named)
        return named;
    return is_accepted(server, community) ? server->otherwise : NULL;
}

static struct lab_age find_age(const struct lab_server *server, const struct lab_addr *to,
                               int64_t now_ns)
{
    struct lab_age age = {.ns = now_ns - server->config.started_ns};

    if (server->config.spread_ns)
        age.ns += (int64_t)((lab_addr_hash(to) ^ server->config.seed * 0x9e3779b97f4a7c15u) %
                            (uint64_t)server->config.spread_ns);
    return age;
}

static void count_request(struct lab_counts *counts, uint8_t type)
{
    counts->gets += type == LAB_PDU_GET;
    counts->nexts += type == LAB_PDU_NEXT;
    counts->bulks += type == LAB_PDU_BULK;
    counts->sets += type == LAB_PDU_SET;
}

/* Version 1 and 2c: answers, or returns a negative errno for silence. */
static int answer_community(struct lab_server *server, struct lab_bytes message,
                            enum lab_version version, const struct lab_addr *to, int64_t now_ns,
                            struct lab_writer *out)
{
    struct lab_device device = {.hint = SIZE_MAX, .columns = server->columns};
    struct lab_answer answer;
    struct lab_bytes community;
    size_t around; /* what goes around the PDU, at most */

    if (lab_message_community(&message, &community) < 0 || lab_pdu_parse(message, &server->pdu) < 0)
        return -EBADMSG;
    count_request(&server->counts, server->pdu.type);
    device.recording = choose_recording(server, community);
    if (!device.recording) {
        server->counts.unknown++;
        return -ENOENT;
    }
    device.age = find_age(server, to, now_ns);
    around = community.length + 16;
    if (lab_answer_write(&server->pdu, version, &device, server->config.most_bytes - around, out,
                         &answer) < 0)
        return -EBADMSG;
    lab_writer_prepend_octets(out, LAB_TAG_OCTETS, community.at, community.length);
    lab_writer_prepend_integer(out, version);
    lab_writer_wrap(out, LAB_TAG_SEQUENCE);
    server->counts.varbinds += answer.varbinds;
    server->counts.errors += answer.status != LAB_NO_ERROR;
    return 0;
}

void lab_server_answer(struct lab_server *server, const uint8_t *request, size_t length,
                       const struct lab_addr *to, int64_t now_ns, struct lab_writer *out,
                       struct lab_fate *fate)
{
    struct lab_bytes message = {request, length};
    enum lab_version version;
    int error = lab_message_open(&message, &version);

    *fate = (struct lab_fate){.is_sent = false};
    server->counts.requests++;
    if (error == 0)
        error = version == LAB_V3 ? -EBADMSG
                                  : answer_community(server, message, version, to, now_ns, out);
    server->counts.bad += error == -EBADMSG;
    fate->is_sent = error == 0 && !out->is_full;
    server->counts.answers += fate->is_sent;
}
