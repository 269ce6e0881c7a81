/* The lab's reading of packets: whatever comes out of the interface must be judged without reading
 * or writing beyond it, and damage must stay within the payload. */
#include "packet.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lab_packet packet;
    uint8_t *copy = malloc(size + 1); /* its own allocation, so that an overrun is seen */

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    if (lab_packet_parse(copy, size, &packet) == 0) {
        if (packet.length > size || packet.payload > packet.length ||
            (packet.checksum && packet.checksum + 2 > packet.payload))
            abort();
        lab_packet_corrupt(copy, &packet, size * 0x9e3779b97f4a7c15u, size % 2);
        /* Nothing before the transport header changes: the packet still goes where it went. */
        if (memcmp(copy, data, size < 20 ? size : 20) != 0)
            abort();
    }
    free(copy);
    return 0;
}
