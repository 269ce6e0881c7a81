/* Exit codes of every subcommand. */
#pragma once

enum phu_exit {
    PHU_EXIT_OK = 0,
    PHU_EXIT_FAILED = 1,    /* some targets failed; a check found mistakes */
    PHU_EXIT_NOT_FOUND = 2, /* a name or target does not exist */
    PHU_EXIT_USAGE = 3,     /* usage or configuration */
    PHU_EXIT_SYSTEM = 4,    /* the system refused something */
};
