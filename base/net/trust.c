#include "trust.h"

#include "phusong/sched.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CHECK_NS (60 * PHU_NS_PER_S)

struct authority {
    struct authority *next;
    struct phu_trust *trust;
    char *file;
    X509_STORE *store; /* NULL until read */
    struct stat stamp; /* of the file as it was read */
    struct phu_mono checked;
    struct load *load; /* under way */
    bool has_failed;   /* the last time; told once, then tried again */
};

/* Owned by the pool thread until it is done; outlives the trust if need be. */
struct load {
    struct authority *authority; /* NULL once nobody waits any more */
    char *file;
    X509_STORE *store;
    struct stat stamp;
};

struct phu_trust {
    struct phu_sched *sched;
    void (*ready)(void *arg);
    void *arg;
    struct authority *authorities;
};

const char *phu_trust_system_file(void)
{
    const char *file = curl_version_info(CURLVERSION_NOW)->cainfo;

    return file ? file : X509_get_default_cert_file();
}

static void load_run(void *arg)
{
    struct load *load = arg;

    if (stat(load->file, &load->stamp))
        return;
    load->store = X509_STORE_new();
    if (load->store && X509_STORE_load_file(load->store, load->file) != 1) {
        X509_STORE_free(load->store);
        load->store = NULL;
    }
    ERR_clear_error();
}

static void load_done(void *arg, bool is_canceled)
{
    struct load *load = arg;
    struct authority *authority = load->authority;

    if (authority) {
        authority->load = NULL;
        authority->has_failed = !load->store && !is_canceled;
        authority->stamp = load->stamp;
        if (load->store) {
            X509_STORE_free(authority->store);
            authority->store = load->store;
            load->store = NULL;
        }
        authority->trust->ready(authority->trust->arg);
    }
    X509_STORE_free(load->store);
    free(load->file);
    free(load);
}

static int start_load(struct authority *authority)
{
    struct load *load = calloc(1, sizeof *load);
    int error = -ENOMEM;

    if (!load)
        return -ENOMEM;
    load->authority = authority;
    load->file = strdup(authority->file);
    if (load->file)
        error = phu_work_start(authority->trust->sched, load_run, load_done, load);
    if (error) {
        free(load->file);
        free(load);
        return error;
    }
    authority->load = load;
    authority->checked = phu_sched_now(authority->trust->sched);
    return 0;
}

static struct authority *find(struct phu_trust *trust, const char *file)
{
    struct authority *authority = trust->authorities;

    while (authority && strcmp(authority->file, file) != 0)
        authority = authority->next;
    if (authority)
        return authority;
    authority = calloc(1, sizeof *authority);
    if (!authority || !(authority->file = strdup(file))) {
        free(authority);
        return NULL;
    }
    authority->trust = trust;
    authority->next = trust->authorities;
    trust->authorities = authority;
    return authority;
}

static bool has_changed(struct authority *authority)
{
    struct phu_mono now = phu_sched_now(authority->trust->sched);
    struct stat stamp;

    if (phu_mono_since(now, authority->checked) < CHECK_NS)
        return false;
    authority->checked = now;
    return stat(authority->file, &stamp) == 0 &&
           (stamp.st_ino != authority->stamp.st_ino || stamp.st_size != authority->stamp.st_size ||
            stamp.st_mtim.tv_sec != authority->stamp.st_mtim.tv_sec ||
            stamp.st_mtim.tv_nsec != authority->stamp.st_mtim.tv_nsec);
}

int phu_trust_get(struct phu_trust *trust, const char *file, X509_STORE **store)
{
    struct authority *authority = find(trust, file ? file : phu_trust_system_file());
    int error = 0;

    if (!authority)
        return -ENOMEM;
    if (authority->has_failed && !authority->store) {
        authority->has_failed = false;
        return -ENOENT;
    }
    if (!authority->load && (!authority->store || has_changed(authority)))
        error = start_load(authority);
    *store = authority->store;
    if (authority->store)
        return 0;
    return error ? error : -EAGAIN;
}

struct phu_trust *phu_trust_new(struct phu_sched *sched, void (*ready)(void *arg), void *arg)
{
    struct phu_trust *trust = calloc(1, sizeof *trust);

    if (trust)
        *trust = (struct phu_trust){.sched = sched, .ready = ready, .arg = arg};
    return trust;
}

void phu_trust_free(struct phu_trust *trust)
{
    if (!trust)
        return;
    while (trust->authorities) {
        struct authority *authority = trust->authorities;

        trust->authorities = authority->next;
        if (authority->load)
            authority->load->authority = NULL;
        X509_STORE_free(authority->store);
        free(authority->file);
        free(authority);
    }
    free(trust);
}
