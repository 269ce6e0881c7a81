/* One device: its life, and the first steps of a poll.
 *
 *   wait for a place -> read the credential -> resolve the name    place.c, and here
 *   -> (version 3: who are you?) -> what the agenda wants          conversation.c, agenda.c
 *   -> report                                                      report.c
 *
 * A poll ends in exactly one verdict, at the latest at its deadline, and what was read until then
 * is kept.
 */
#include "device.h"

#include "conversation.h"
#include "identify.h"
#include "place.h"
#include "report.h"
#include "tables.h"

#include "phusong/resolve.h"
#include "phusong/sched.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Beginning ------------------------------------------------------------------------------- */

static void set_port(struct phu_snmp_device *device)
{
    const struct phu_snmp_check_options *options = phu_snmp_options_of(device);
    struct sockaddr_storage *address = &device->work->address;

    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)options->port);
    else
        ((struct sockaddr_in *)address)->sin_port = htons((uint16_t)options->port);
}

static void resolved(void *arg, int status, const struct sockaddr_storage *addresses, size_t count)
{
    struct phu_snmp_device *device = arg;

    device->work->resolve = NULL;
    if (status < 0 || count == 0) {
        phu_snmp_finish(device, PHU_RESULT_DNS, "the name does not resolve");
        return;
    }
    device->work->address = addresses[0];
    set_port(device);
    phu_snmp_converse(device);
}

static void locate(struct phu_snmp_device *device)
{
    struct phu_snmp *snmp = device->snmp;
    int error;

    if (phu_address_parse(device->spec->address, &device->work->address) == 0) {
        set_port(device);
        phu_snmp_converse(device);
        return;
    }
    error = snmp->env.resolver ? phu_resolve_start(snmp->env.resolver, device->spec->address,
                                                   AF_UNSPEC, device->spec->timeout_ns, resolved,
                                                   device, &device->work->resolve)
                               : -ENOENT;
    if (error)
        phu_snmp_finish(device, PHU_RESULT_DNS, strerror(-error));
}

/* The secret may be put right while we run; until then every poll tries again. */
static bool has_secret(struct phu_snmp_device *device, char *why, size_t size)
{
    const struct phu_collector_env *env = &device->snmp->env;
    const struct phu_credential *credential;

    if (device->secret)
        return true;
    why[0] = '\0';
    credential =
        env->credential ? env->credential(env->credential_arg, device->spec->credential) : NULL;
    if (!credential && (!device->spec->credential || !device->spec->credential[0])) {
        snprintf(
            why, size,
            "it needs a credential: name one in devices.csv, or by hand give --community FILE");
        return false;
    }
    if (!credential) {
        snprintf(why, size, "no credential `%s`; name one of section credentials in devices.csv",
                 device->spec->credential);
        return false;
    }
    return phu_secrets_take(&device->snmp->secrets, credential, &device->secret, why, size) == 0;
}

void phu_snmp_device_begin(struct phu_snmp_device *device)
{
    char why[256];

    phu_snmp_work_take(device);
    device->poll++;
    phu_identify_begin(device);
    if (!has_secret(device, why, sizeof why) || !phu_identify_is_possible(device, why, sizeof why))
        phu_snmp_finish(device, PHU_RESULT_NOPERM, why);
    else
        locate(device);
}

void phu_snmp_device_deadline(struct phu_timer *timer)
{
    phu_snmp_run_out_of_time(phu_container_of(timer, struct phu_snmp_work, deadline)->device);
}

/* -- Its life -------------------------------------------------------------------------------- */

struct phu_snmp_device *phu_snmp_device_new(struct phu_snmp *snmp,
                                            const struct phu_check_spec *spec)
{
    struct phu_snmp_device *device = calloc(1, sizeof *device);

    if (!device)
        return NULL;
    device->snmp = snmp;
    device->spec = spec;
    return device;
}

void phu_snmp_device_free(struct phu_snmp_device *device)
{
    struct phu_snmp *snmp = device->snmp;

    phu_snmp_queue_drop(device);
    phu_snmp_work_give(device);
    phu_usm_drop(snmp->usm, device->user);
    phu_secrets_drop(&snmp->secrets, device->secret);
    phu_interfaces_fini(&device->interfaces);
    phu_tables_drop(device);
    phu_profiles_free(device->profiles);
    free(device->engine);
    free(device);
    phu_snmp_begin_next(snmp);
}

void phu_snmp_device_poll(struct phu_snmp_device *device)
{
    device->started = phu_sched_now(device->snmp->env.sched);
    phu_snmp_queue_put(device);
    phu_snmp_begin_next(device->snmp);
}
