/* The section `tls` of whatever speaks HTTP: checks and exporters. */
#include "phusong/conf.h"
#include "phusong/http.h"

#include <stddef.h>

static const struct phu_option tls_options[] = {
    {.name = "verify",
     .type = PHU_OPTION_BOOL,
     .offset = offsetof(struct phu_http_tls_conf, is_verified),
     .fallback = "true",
     .meaning = "refuse a certificate that does not hold; false accepts any, so that anybody in "
                "between can "
                "read and change what is sent"},
    {.name = "ca",
     .type = PHU_OPTION_PATH,
     .offset = offsetof(struct phu_http_tls_conf, ca),
     .fallback = "",
     .meaning = "file with the certificates of the authorities to trust; empty: the system's"},
    {.name = "certificate",
     .type = PHU_OPTION_PATH,
     .offset = offsetof(struct phu_http_tls_conf, certificate),
     .fallback = "",
     .meaning = "file with our own certificate, for servers that ask for one"},
    {.name = "key",
     .type = PHU_OPTION_PATH,
     .offset = offsetof(struct phu_http_tls_conf, key),
     .fallback = "",
     .meaning = "file with the private key of our certificate"},
    {.name = "server_name",
     .type = PHU_OPTION_STRING,
     .offset = offsetof(struct phu_http_tls_conf, server_name),
     .fallback = "",
     .meaning = "name to ask for (Host, SNI) and to expect in the certificate; empty: the URL's"},
};

static void validate_tls(const void *pointer, void *context)
{
    const struct phu_http_tls_conf *conf = pointer;

    if (*conf->key && !*conf->certificate)
        phu_conf_mistake(context, "key", "key needs certificate beside it");
    if (*conf->certificate && !*conf->key)
        phu_conf_mistake(context, "certificate", "certificate needs key beside it");
}

const struct phu_option_table phu_http_tls_options = {
    .options = tls_options,
    .count = sizeof tls_options / sizeof *tls_options,
    .size = sizeof(struct phu_http_tls_conf),
    .validate = validate_tls,
};

static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

struct phu_http_tls phu_http_tls_of(const struct phu_http_tls_conf *conf)
{
    return (struct phu_http_tls){.ca_file = or_null(conf->ca),
                                 .cert_file = or_null(conf->certificate),
                                 .key_file = or_null(conf->key),
                                 .server_name = or_null(conf->server_name),
                                 .is_unverified = !conf->is_verified};
}
