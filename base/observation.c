#include "phusong/observation.h"

const char *phu_result_name(enum phu_result result)
{
    switch (result) {
    case PHU_RESULT_OK:
        return "ok";
    case PHU_RESULT_TIMEOUT:
        return "timeout";
    case PHU_RESULT_REFUSED:
        return "refused";
    case PHU_RESULT_UNREACHABLE:
        return "unreachable";
    case PHU_RESULT_DNS:
        return "dns";
    case PHU_RESULT_TLS:
        return "tls";
    case PHU_RESULT_MISMATCH:
        return "mismatch";
    case PHU_RESULT_AUTH:
        return "auth";
    case PHU_RESULT_PARTIAL:
        return "partial";
    case PHU_RESULT_NOPERM:
        return "noperm";
    case PHU_RESULT_LOCAL_ERROR:
        return "local_error";
    case PHU_RESULT_SKIPPED:
        return "skipped";
    case PHU_RESULT_NONE:
        return "none";
    }
    return "?";
}
