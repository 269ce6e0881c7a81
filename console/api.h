/* What is stored, as JSON over HTTP (docs/console.md): each route asks the query interface. */
#pragma once

#include <stdint.h>

struct phu_api;
struct phu_server;

/* Before the loop runs. The path is borrowed. */
struct phu_api *phu_api_add(struct phu_server *server, const char *store, int64_t timeout_ns);
/* After the server was closed and the loop has run out. NULL is harmless. */
void phu_api_free(struct phu_api *api);
