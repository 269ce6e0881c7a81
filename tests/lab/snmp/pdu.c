/* Decodes requests. Pure; keeps pointers into the message. */
#include "pdu.h"

#include <errno.h>

int lab_message_open(struct lab_bytes *message, enum lab_version *version)
{
    struct lab_bytes inside;
    int64_t number;
    int error = lab_ber_take_tag(message, LAB_TAG_SEQUENCE, &inside);

    if (error < 0 || lab_ber_take_integer(&inside, 0, 3, &number) < 0 || number == 2)
        return -EBADMSG;
    *version = (enum lab_version)number;
    *message = inside;
    return 0;
}

int lab_message_community(struct lab_bytes *message, struct lab_bytes *community)
{
    int error = lab_ber_take_tag(message, LAB_TAG_OCTETS, community);

    return error < 0 || community->length <= LAB_COMMUNITY_MAX ? error : -EBADMSG;
}

static int parse_names(struct lab_bytes list, struct lab_pdu *pdu)
{
    for (pdu->count = 0; list.length; pdu->count++) {
        struct lab_bytes varbind;
        struct lab_bytes value;
        uint8_t tag;

        if (pdu->count == LAB_NAMES_MAX ||
            lab_ber_take_tag(&list, LAB_TAG_SEQUENCE, &varbind) < 0 ||
            lab_ber_take_tag(&varbind, LAB_TAG_OID, &pdu->names[pdu->count]) < 0 ||
            lab_ber_take(&varbind, &tag, &value) < 0 || varbind.length)
            return -EBADMSG;
    }
    return 0;
}

int lab_pdu_parse(struct lab_bytes message, struct lab_pdu *pdu)
{
    struct lab_bytes inside;
    int64_t numbers[3];

    if (lab_ber_take(&message, &pdu->type, &inside) < 0)
        return -EBADMSG;
    if (pdu->type != LAB_PDU_GET && pdu->type != LAB_PDU_NEXT && pdu->type != LAB_PDU_BULK &&
        pdu->type != LAB_PDU_SET)
        return -EBADMSG;
    for (int i = 0; i < 3; i++)
        if (lab_ber_take_integer(&inside, INT32_MIN, INT32_MAX, &numbers[i]) < 0)
            return -EBADMSG;
    pdu->id = (int32_t)numbers[0];
    pdu->non_repeaters = (int32_t)numbers[1];
    pdu->repetitions = (int32_t)numbers[2];
    if (lab_ber_take_tag(&inside, LAB_TAG_SEQUENCE, &pdu->varbinds) < 0)
        return -EBADMSG;
    return parse_names(pdu->varbinds, pdu);
}
