/* phusong-lab-snmp: answers SNMP from recordings. This file only reads the command line. */
#include "control.h"
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { USAGE = 2, NOT_RUNNING = 3 };

/* phusong-lab-snmp tell PATH WORD... */
static int tell(char **words, int count)
{
    int status;

    if (count < 2) {
        fprintf(stderr, "Usage: phusong-lab-snmp tell PATH WORD...\n");
        return USAGE;
    }
    status = lab_control_ask(words[0], words + 1, count - 1, stdout, NULL);
    if (status < 0)
        fprintf(stderr, "phusong-lab-snmp: nobody listens at %s: %s\n", words[0],
                strerror(-status));
    return status < 0 ? NOT_RUNNING : status;
}

int main(int argc, char **argv)
{
    struct lab_snmp_options *options;
    struct lab_error err;
    int status;

    if (argc > 1 && strcmp(argv[1], "tell") == 0)
        return tell(argv + 2, argc - 2);
    options = malloc(sizeof(*options));
    if (!options)
        return 1;
    status = lab_snmp_options_parse(argv + 1, argc - 1, options, &err);
    if (status == -ECANCELED) {
        lab_snmp_options_help(stdout);
        status = 0;
    } else if (status < 0) {
        fprintf(stderr, "phusong-lab-snmp: %s\n", err.text);
        status = USAGE;
    } else {
        status = lab_snmp_run(options);
    }
    free(options);
    return status;
}
