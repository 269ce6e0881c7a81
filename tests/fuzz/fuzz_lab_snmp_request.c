/* The responder's reading of requests of all versions: no request may crash it, and what it answers
 * is a whole message that is no longer than it may be. */
#include "server.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1500 };

static const char lines[] = "1.3.6.1.2.1.1.1.0|4|a device\n"
                            "1.3.6.1.2.1.1.3.0|67:numeric|rate=100\n"
                            "1.3.6.1.2.1.2.2.1.10.1|65|1\n"
                            "1.3.6.1.2.1.2.2.1.10.70000|65|4294967295\n"
                            "1.3.6.1.2.1.31.1.1.1.6.1|70:numeric|rate=1000000000,initial=5\n"
                            "1.3.6.1.4.1.32473.1|6|1.3.6\n";

static struct lab_server *open_server(void)
{
    struct lab_server_config config = {.seed = 1, .most_bytes = MOST};
    struct lab_server *server = lab_server_new(&config);
    struct lab_recording *recording = lab_recording_new("public");
    struct lab_error err;

    lab_recording_take(recording, lines, sizeof(lines) - 1, NULL, NULL);
    lab_recording_sort(recording);
    lab_server_take_recording(server, recording);
    lab_server_set_default(server, "public");
    if (lab_server_add_user(server, "plain", &err) < 0 ||
        lab_server_add_user(server, "user:SHA:password:AES:password", &err) < 0)
        abort();
    return server;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lab_server *server;
    static uint8_t bytes[LAB_HEADROOM + LAB_DATAGRAM_MAX];
    struct lab_addr device = lab_addr_from_v4((const uint8_t[]){127, 0, 0, 1});
    struct lab_writer out;
    struct lab_bytes message;
    struct lab_bytes inside;
    struct lab_fate fate;
    uint8_t *copy = malloc(size + 1); /* its own allocation, so that an overrun is seen */

    if (!copy)
        return 0;
    if (!server)
        server = open_server();
    memcpy(copy, data, size);
    lab_writer_init(&out, bytes, sizeof(bytes), LAB_HEADROOM);
    lab_server_answer(server, copy, size, &device, 1000000000, &out, &fate);
    free(copy);
    if (fate.copies == 0)
        return 0;
    message = (struct lab_bytes){out.bytes + out.start, lab_writer_length(&out)};
    /* An error in version 1 sends back what came, however long that was. */
    if (out.is_full || fate.length != message.length ||
        (message.length > MOST && message.length > size + 64) ||
        lab_ber_take_tag(&message, LAB_TAG_SEQUENCE, &inside) < 0 || message.length)
        abort();
    return 0;
}
