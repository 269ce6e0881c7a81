/* What of alerts and maintenance is to be had over HTTP:
 *
 *   GET    /api/v1/alerts                 what stands, in the shape of Prometheus' own answer
 *   GET    /api/v1/alerts/history?from=T  what stood at T or later, T in RFC 3339; the last day
 *   GET    /api/v1/maintenance
 *   POST   /api/v1/maintenance            {"for": {"site": "s-1"}, "from": …, "to": …, "comment":
 * …} DELETE /api/v1/maintenance/:id
 *
 * Reading needs a token of the role read, changing one of the role admin; from this machine reading
 * needs none.
 */
#pragma once

struct phu_alerts;
struct phu_alert_routes;
struct phu_server;

/* Before the loop runs. `alerts` outlives the routes. */
struct phu_alert_routes *phu_alert_routes_add(struct phu_server *server, struct phu_alerts *alerts,
                                              const char *state_dir);
/* After the server was closed and the loop has run out. NULL is harmless. */
void phu_alert_routes_free(struct phu_alert_routes *routes);
