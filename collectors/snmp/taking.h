/* A row of a table while its values are worked out, as table_row.c and row_serves.c share it. */
#pragma once

#include "device.h"
#include "gather.h"
#include "tables.h"

#define PHU_TAKING_TEXT_SIZE 160

struct phu_taking {
    struct phu_snmp_device *device;
    struct phu_tables *tables;
    struct phu_table_state *state;
    struct phu_pass *pass;
    const struct phu_profile_table *table;
    const struct phu_gather_row *row;
    struct phu_read reads[PHU_PROFILE_COLUMNS_MAX];
    char name[PHU_PROFILE_NAME_SIZE];
    uint64_t key;
    struct phu_mono now;
    struct phu_value values[PHU_PROFILE_COLUMNS_MAX + 2];
    size_t value_count;
};

/* Whom it serves, as binding.h counts them; `text` becomes its description or serial. */
uint32_t phu_taking_bind(struct phu_taking *taking, char text[PHU_TAKING_TEXT_SIZE]);
/* The sink's handle of a row of this tag, name and key. False when the sink has no room. */
bool phu_taking_handle(struct phu_taking *taking, const char *tag, const char *name, uint64_t key,
                       uint32_t whom, uint32_t *handle);
