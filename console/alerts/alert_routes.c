#include "alert_routes.h"

#include "alerts.h"
#include "book.h"
#include "http/server.h"
#include "maintenance.h"
#include "mem.h"
#include "rfc3339.h"

#include "phusong/time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_TYPE "application/json"
#define BODY_MAX 65536
#define DAY_NS (INT64_C(86400) * PHU_NS_PER_S)

struct phu_alert_routes {
    struct phu_alerts *alerts;
    char *book, *maintenance; /* paths */
};

static void reply(struct phu_request *request, int status, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);

    json_decref(object);
    if (!text)
        abort();
    phu_request_reply(request, status, JSON_TYPE, text, strlen(text));
}

/* {"status": "success", "data": {NAME: LIST}} */
static json_t *success(const char *name, json_t *list)
{
    return json_pack("{s:s, s:{s:o}}", "status", "success", "data", name, list);
}

/* -- Alerts ----------------------------------------------------------------------------------- */

static void read_alerts(void *arg, struct phu_request *request)
{
    const struct phu_alert_routes *routes = arg;
    char *text = phu_alerts_json(routes->alerts);

    reply(request, 200, success("alerts", json_loads(text, 0, NULL)));
    free(text);
    phu_request_finish(request);
}

static void add_alert(void *list, const struct phu_entry *entry)
{
    json_array_append_new(list, phu_entry_json(entry));
}

static void read_history(void *arg, struct phu_request *request)
{
    const struct phu_alert_routes *routes = arg;
    const char *from = phu_request_query(request, "from");
    struct phu_wall at = {phu_wall_now().ns - DAY_NS};
    struct phu_book_reader *reader;
    json_t *list;
    char why[512];

    if (from && phu_rfc3339_parse(from, &at) < 0) {
        phu_request_fail(request, 400, "from must be a time such as 2026-11-23T08:00:00Z");
        return;
    }
    if (phu_book_reader_open(routes->book, &reader, why, sizeof why) < 0) {
        phu_request_fail(request, 500, "%s", why);
        return;
    }
    list = json_array();
    if (phu_book_read_alerts(reader, &(struct phu_book_filter){.from_ns = at.ns}, add_alert, list) <
        0) {
        json_decref(list);
        phu_request_fail(request, 500, "cannot read the book of alerts");
    } else {
        reply(request, 200, success("alerts", list));
    }
    phu_book_reader_close(reader);
}

/* -- Maintenance: each request reads the file for itself; the alerts notice within seconds ------
 */

static bool open_maintenance(const struct phu_alert_routes *routes, struct phu_request *request,
                             struct phu_maintenance *maintenance)
{
    char why[512];

    if (phu_maintenance_open(routes->maintenance, maintenance, why, sizeof why) == 0)
        return true;
    phu_request_fail(request, 500, "%s", why);
    return false;
}

static void read_maintenance(void *arg, struct phu_request *request)
{
    struct phu_maintenance maintenance;
    int64_t now_ns = phu_wall_now().ns;
    json_t *list;

    if (!open_maintenance(arg, request, &maintenance))
        return;
    list = json_array();
    for (size_t i = 0; i < maintenance.count; i++)
        json_array_append_new(list, phu_maintenance_json(&maintenance.windows[i], now_ns));
    phu_maintenance_fini(&maintenance);
    reply(request, 200, success("maintenance", list));
}

/* False when it has been answered: not what it should be. */
static bool take_window(struct phu_request *request, struct phu_maintenance_window *window)
{
    size_t length;
    const char *body = phu_request_body(request, &length);
    json_error_t mistake;
    json_t *object = json_loadb(body ? body : "", length, JSON_REJECT_DUPLICATES, &mistake);
    char why[256];
    bool is_good = false;

    if (!object)
        phu_request_fail(request, 400, "line %d, column %d: %s", mistake.line, mistake.column,
                         mistake.text);
    else if (phu_maintenance_from_json(object, window, why, sizeof why) < 0)
        phu_request_fail(request, 400, "%s", why);
    else
        is_good = true;
    json_decref(object);
    return is_good;
}

static void add_maintenance(void *arg, struct phu_request *request)
{
    struct phu_maintenance maintenance;
    struct phu_maintenance_window window;
    int64_t now_ns = phu_wall_now().ns;
    char why[512];

    if (!take_window(request, &window))
        return;
    if (!open_maintenance(arg, request, &maintenance)) {
        phu_maintenance_window_fini(&window);
        return;
    }
    if (phu_maintenance_add(&maintenance, &window, now_ns, why, sizeof why) < 0)
        phu_request_fail(request, 503, "%s", why);
    else
        reply(request, 201,
              phu_maintenance_json(&maintenance.windows[maintenance.count - 1], now_ns));
    phu_maintenance_fini(&maintenance);
}

static void remove_maintenance(void *arg, struct phu_request *request)
{
    struct phu_maintenance maintenance;
    const char *id = phu_request_parameter(request, "id");
    char why[512];
    int error;

    if (!open_maintenance(arg, request, &maintenance))
        return;
    error = phu_maintenance_remove(&maintenance, id ? id : "", why, sizeof why);
    if (error < 0)
        phu_request_fail(request, error == -ENOENT ? 404 : 503, "%s", why);
    else
        phu_request_reply(request, 204, JSON_TYPE, NULL, 0);
    phu_maintenance_fini(&maintenance);
}

struct phu_alert_routes *phu_alert_routes_add(struct phu_server *server, struct phu_alerts *alerts,
                                              const char *state_dir)
{
    struct phu_alert_routes *routes = phu_mem_alloc(1, sizeof *routes);
    const struct phu_route all[] = {
        {.method = "GET",
         .path = "/api/v1/alerts",
         .role = PHU_ROLE_READ,
         .is_local_free = true,
         .handle = read_alerts},
        {.method = "GET",
         .path = "/api/v1/alerts/history",
         .role = PHU_ROLE_READ,
         .is_local_free = true,
         .work = read_history},
        {.method = "GET",
         .path = "/api/v1/maintenance",
         .role = PHU_ROLE_READ,
         .is_local_free = true,
         .work = read_maintenance},
        {.method = "POST",
         .path = "/api/v1/maintenance",
         .role = PHU_ROLE_ADMIN,
         .body_max = BODY_MAX,
         .work = add_maintenance},
        {.method = "DELETE",
         .path = "/api/v1/maintenance/:id",
         .role = PHU_ROLE_ADMIN,
         .work = remove_maintenance},
    };

    routes->alerts = alerts;
    if (asprintf(&routes->book, "%s/alerts.sqlite", state_dir) < 0 ||
        asprintf(&routes->maintenance, "%s/maintenance.json", state_dir) < 0)
        abort();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct phu_route route = all[i];

        route.arg = routes;
        phu_server_route(server, &route);
    }
    return routes;
}

void phu_alert_routes_free(struct phu_alert_routes *routes)
{
    if (!routes)
        return;
    free(routes->book);
    free(routes->maintenance);
    free(routes);
}
