#include "link.h"

void phu_sim_link_init(struct phu_sim_link *link, uint64_t seed)
{
    *link = (struct phu_sim_link){.delay_ns = 10 * PHU_NS_PER_MS};
    phu_chance_init(&link->chance, seed);
}

int64_t phu_sim_link_send(struct phu_sim_link *link)
{
    /* Both numbers are always drawn: switching loss on does not change the delays of a seed. */
    bool is_lost = phu_chance_share(&link->chance) < link->loss;
    int64_t extra = phu_chance_between(&link->chance, 0, link->jitter_ns);

    return is_lost || link->is_down ? -1 : link->delay_ns + extra;
}
