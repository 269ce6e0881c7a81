/* A configuration file, bound to the tables of all parts. */
#include "conf_file.h"
#include "config_shape.h"
#include "parts.h"

#include "phusong/err.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phu_config_shape *shape = phu_config_shape_new(&phu_parts);
    void *conf = malloc(shape->root.size);
    struct phu_diags diags;
    int result;

    if (!conf)
        abort();
    phu_diags_init(&diags);
    result = phu_conf_load_text(&shape->root, "fuzz.yaml", (const char *)data, size, &diags, conf);
    assert((result == 0) == (diags.count == 0));
    if (result == 0) {
        assert(phu_conf_equal(&shape->root, conf, conf));
        phu_conf_free(&shape->root, conf);
    }
    phu_diags_fini(&diags);
    free(conf);
    phu_config_shape_free(shape);
    return 0;
}
