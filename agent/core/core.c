/* Replaced by the first unit of this folder. */
extern const int phu_core_is_empty;
const int phu_core_is_empty = 1;
