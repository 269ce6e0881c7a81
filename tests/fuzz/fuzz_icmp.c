/* What arrives on the ICMP sockets: replies and error messages, from anyone. The first byte chooses
 * the decoder, the second the length that the packet is said to have had.
 */
#include "packet.h"
#include "target.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(uint8_t choice, const uint8_t *packet, size_t size, size_t length,
                   struct phu_icmp_answer *answer)
{
    switch (choice & 3) {
    case 0:
        phu_icmp_decode_v4_raw(packet, size, length, answer);
        break;
    case 1:
        phu_icmp_decode_v4(packet, size, length, answer);
        break;
    case 2:
        phu_icmp_decode_v6(packet, size, length, answer);
        break;
    default:
        phu_icmp_decode_quoted(choice & 4 ? AF_INET6 : AF_INET, (uint8_t)(choice >> 3), 0, packet,
                               size, answer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct phu_siphash_key key = {1, 2};
    static const uint8_t source[16] = {127, 0, 0, 1};
    struct phu_icmp_target target = {
        .slot = 7, .size = 56, .family = AF_INET, .state = PHU_ICMP_SENT};
    struct phu_icmp_answer answer;
    uint8_t *packet;

    if (size < 2)
        return 0;
    /* On the heap and of exact size, so that a read past the end is seen. */
    packet = malloc(size - 2 ? size - 2 : 1);
    if (!packet)
        abort();
    memcpy(packet, data + 2, size - 2);
    memcpy(target.address, source, sizeof source);
    decode(data[0], packet, size - 2, size - 2 + (data[1] & 3) * 100U, &answer);
    free(packet);
    if (answer.kind == PHU_ICMP_REPLY && !answer.has_cookie)
        abort();
    if (answer.kind != PHU_ICMP_OTHER) {
        enum phu_icmp_outcome outcome = phu_icmp_target_match(&target, &key, &answer, source);

        /* Nobody knows the cookie, so nothing may pass as an answer or as a proven error. */
        if (outcome == PHU_ICMP_ANSWERED || outcome == PHU_ICMP_REPORTED)
            abort();
    }
    return 0;
}
