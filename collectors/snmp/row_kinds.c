#include "metrics.h"

#include <string.h>

/* A tag that is not listed here is a mistake in a profile: dashboards and rules know these. */
const struct phu_row_kind phu_snmp_row_kinds[PHU_SNMP_ROW_KINDS] = {
    {"interface", "interface", "an interface of a device"},
    {"signal", "modem", "a modem of a device; without its own tag where the device is one"},
    {"optics", "onu,interface,pon", "an ONU of an OLT, or the transceiver of a port"},
    {"pon", "pon", "a PON port of an OLT with its ONUs"},
    {"radio", "link,radio", "a radio link, or one radio of it"},
    {"power", "battery,input,output,outlet,phase,rectifier,supply",
     "the power of a site, or one part of it"},
    {"sensor", "sensor", "a sensor of a device"},
};

bool phu_snmp_row_tag_is_known(const char *measurement, const char *tag)
{
    for (size_t i = 0; i < PHU_SNMP_ROW_KINDS; i++) {
        const char *at = phu_snmp_row_kinds[i].tags;

        if (strcmp(phu_snmp_row_kinds[i].measurement, measurement) != 0)
            continue;
        for (; *at; at += strspn(at, ",")) {
            size_t length = strcspn(at, ",");

            if (strlen(tag) == length && memcmp(at, tag, length) == 0)
                return true;
            at += length;
        }
    }
    return false;
}
