/* The registered JSON says what the inventory holds, with texts of any kind. */
#include "register.h"

#include "core/inventory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char strings[] = "\0" /* 0: "" */
                              "27\0Bắc \"Ninh\"\\\0" /* 1, 4 */;

static void writes_what_the_inventory_holds(void **state)
{
    struct phu_area areas[] = {
        {.code = 1,
         .name = 4,
         .parent = PHU_INVENTORY_NONE,
         .valid_from = 20270,
         .valid_to = INT32_MAX,
         .lat_e6 = INT32_MIN,
         .lon_e6 = INT32_MIN,
         .level = PHU_LEVEL_PROVINCE},
        {.code = 1,
         .id = 1,
         .name = 1,
         .parent = 0,
         .valid_from = INT32_MIN,
         .valid_to = 0,
         .lat_e6 = 21180000,
         .lon_e6 = -500000,
         .households = 120,
         .level = PHU_LEVEL_HAMLET},
    };
    struct phu_endpoint endpoint = {.id = 1,
                                    .address = 1,
                                    .operator_name = 1,
                                    .hamlet = 1,
                                    .commune = PHU_INVENTORY_NONE,
                                    .device = PHU_INVENTORY_NONE,
                                    .parent = PHU_INVENTORY_NONE,
                                    .technology = PHU_TECHNOLOGY_4G};
    struct phu_inventory inventory = {.areas = areas,
                                      .area_count = 2,
                                      .endpoints = &endpoint,
                                      .endpoint_count = 1,
                                      .strings = strings};
    size_t length;
    char *text = phu_register_text(&inventory, &length);
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL), *list;

    (void)state;
    assert_non_null(root);
    list = json_object_get(root, "areas");
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "name")),
                        "Bắc \"Ninh\"\\");
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "valid_from")),
                        "2025-07-01");
    assert_null(json_object_get(json_array_get(list, 0), "lat"));
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "parent")),
                        "27");
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "valid_to")),
                        "1970-01-01");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "households")),
                     120);
    assert_true(json_real_value(json_object_get(json_array_get(list, 1), "lon")) == -0.5);
    list = json_object_get(root, "endpoints");
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "technology")),
                        "4g");
    assert_int_equal(json_array_size(json_object_get(root, "devices")), 0);
    assert_int_equal(json_array_size(json_object_get(root, "sites")), 0);
    json_decref(root);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(writes_what_the_inventory_holds)};

    return cmocka_run_group_tests_name("register", tests, NULL, NULL);
}
