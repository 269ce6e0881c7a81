#include "private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static const struct phu_route routes[] = {
    {.method = "GET", .path = "/ping"},
    {.method = "GET", .path = "/api/v1/agents"},
    {.method = "PUT", .path = "/api/v1/agents/:id/inventory"},
    {.method = "POST", .path = "/api/v1/maintenance"},
    {.method = "GET", .path = "/api/v1/maintenance"},
    {.method = "DELETE", .path = "/api/v1/maintenance/:id"},
};

enum { ROUTES = sizeof routes / sizeof *routes };

static struct phu_server server;

static const struct phu_route *find(struct phu_request **request, const char *method,
                                    const char *path, char allowed[64])
{
    *request = phu_request_new(&server);
    strcpy((*request)->path, path);
    return phu_routes_find(routes, ROUTES, method, *request, allowed, 64);
}

static void expect(const char *method, const char *path, int index, const char *allowed)
{
    struct phu_request *request;
    char other[64];
    const struct phu_route *route = find(&request, method, path, other);

    assert_ptr_equal(route, index < 0 ? NULL : &routes[index]);
    if (index < 0)
        assert_string_equal(other, allowed);
    phu_request_free(request);
}

static void finds_routes(void **state)
{
    (void)state;
    expect("GET", "/ping", 0, "");
    expect("HEAD", "/ping", 0, "");
    expect("POST", "/ping", -1, "GET, HEAD");
    expect("GET", "/ping/", -1, "");
    expect("GET", "/pin", -1, "");
    expect("GET", "/", -1, "");
    expect("GET", "", -1, "");
    expect("GET", "/api/v1/agents", 1, "");
    expect("PUT", "/api/v1/agents/a/inventory", 2, "");
    expect("PUT", "/api/v1/agents//inventory", -1, "");
    expect("PUT", "/api/v1/agents/a/b/inventory", -1, "");
    expect("PATCH", "/api/v1/maintenance", -1, "POST, GET, HEAD");
    expect("DELETE", "/api/v1/maintenance/7", 5, "");
}

static void names_parameters(void **state)
{
    struct phu_request *request;
    char allowed[64];

    (void)state;
    assert_non_null(find(&request, "PUT", "/api/v1/agents/bn-1/inventory", allowed));
    assert_string_equal(phu_request_parameter(request, "id"), "bn-1");
    assert_null(phu_request_parameter(request, "agent"));
    phu_request_free(request);
}

static void reads_secrets(void **state)
{
    static const struct {
        const char *header, *secret; /* NULL: refused */
    } cases[] = {
        {"Token abc", "abc"},
        {"token abc", "abc"},
        {"Bearer  abc", "abc"},
        {"Basic dTpwdw==", "pw"},
        {"Basic OnB3", "pw"},
        {"Basic dTpwOnc=", "p:w"},
        {"Basic dTo=", NULL},
        {"Basic dQ==", NULL},
        {"Basic d*==", NULL},
        {"Basic ", NULL},
        {"Basic", NULL},
        {"Token", NULL},
        {"Token ", NULL},
        {"Token a b", NULL},
        {"Tokens a", NULL},
        {"Digest a", NULL},
        {"", NULL},
        {"Token 01234567890123456789", NULL},
        {"Basic MDEyMzQ1Njc4OTAxMjM0NTY3ODk=", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char secret[16];
        size_t length = 0;
        bool is_known = phu_authorization_secret(cases[i].header, secret, sizeof secret, &length);

        assert_int_equal(is_known, cases[i].secret != NULL);
        if (!is_known)
            continue;
        assert_int_equal(length, strlen(cases[i].secret));
        assert_memory_equal(secret, cases[i].secret, length);
    }
}

static void says_what_failed(void **state)
{
    struct phu_request *request = phu_request_new(&server);

    (void)state;
    strcpy(request->path, "/write");
    phu_request_fail(request, 400, "line %d: \"x\"\n\\", 3);
    assert_string_equal(request->type, "application/json");
    assert_memory_equal(request->reply, "{\"error\":\"line 3: \\\"x\\\"\\n\\\\\"}\n",
                        request->reply_length);
    strcpy(request->path, "/api/v2/write");
    phu_request_fail(request, 400, "\xe1\xba%s\xff", "x");
    assert_memory_equal(request->reply, "{\"code\":\"invalid\",\"message\":\"??x?\"}\n",
                        request->reply_length);
    phu_request_fail(request, 401, "no");
    assert_memory_equal(request->reply, "{\"code\":\"unauthorized\",\"message\":\"no\"}\n",
                        request->reply_length);
    phu_request_free(request);
}

static void bounds_bodies(void **state)
{
    struct phu_request *request = phu_request_new(&server);
    size_t length;

    (void)state;
    assert_true(phu_request_take(request, "12345", 5, 8));
    assert_true(phu_request_take(request, "678", 3, 8));
    assert_false(phu_request_take(request, "9", 1, 8));
    assert_string_equal(phu_request_body(request, &length), "12345678");
    assert_int_equal(length, 8);
    assert_int_equal(server.bodies, 4096);
    phu_request_free(request);
    assert_int_equal(server.bodies, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_routes),  cmocka_unit_test(names_parameters),
        cmocka_unit_test(reads_secrets), cmocka_unit_test(says_what_failed),
        cmocka_unit_test(bounds_bodies),
    };

    return cmocka_run_group_tests_name("console_routes", tests, NULL, NULL);
}
