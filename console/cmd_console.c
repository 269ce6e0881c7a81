/* phusong console: runs the centre, and its small verbs. */
#include "conf_file.h"
#include "config.h"
#include "console.h"
#include "console_commands.h"
#include "mem.h"
#include "rfc3339.h"
#include "rules/rules.h"
#include "store/store.h"
#include "tokens.h"

#include "phusong/err.h"
#include "phusong/text.h"
#include "phusong/time.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_FILE "/etc/phusong/console.yaml"

static const char help[] =
    "usage: phusong console [-c FILE]                  run, until SIGINT or SIGTERM\n"
    "       phusong console check [-c FILE] [--store]  report every mistake in configuration and "
    "rules;\n"
    "                                                  --store: is the store whole, too?\n"
    "       phusong console token create --agent ID | --read | --admin [--json]\n"
    "       phusong console token ls [--json]\n"
    "       phusong console token revoke ID\n"
    "       phusong console backup FILE [-c FILE]      copy the store, while it is in use\n"
    "       phusong console config default | reference\n"
    "       phusong console maintenance ls | add | rm  see phusong console maintenance --help\n"
    "\n"
    "  -c, --config FILE    the configuration (" CONFIG_FILE ")\n"
    "      --state-dir DIR  of token: the folder of the tokens, instead of the configuration's\n"
    "  -h, --help           this text\n"
    "\n"
    "signals: HUP reads the certificate and the rules again.\n"
    "Exit codes: 0 done, 1 mistakes were found, 2 no such token, 3 usage or configuration, 4 the "
    "system\nrefused something.\n";

struct request {
    const char *config, *state_dir, *agent;
    enum phu_role role;
    bool is_json, with_store;
    char **words;
    int count;
};

static int usage_error(const char *what, const char *value)
{
    fprintf(stderr, "phusong console: %s%s%s%s; see phusong console --help\n", what,
            value ? " \"" : "", value ? value : "", value ? "\"" : "");
    return PHU_EXIT_USAGE;
}

static int load(const struct request *request, struct phu_console_conf *conf)
{
    struct phu_diags diags;
    int error;

    phu_diags_init(&diags);
    error = phu_console_conf_load(request->config, &diags, conf);
    phu_diags_print(&diags, stderr);
    phu_diags_fini(&diags);
    return error;
}

/* -- check ------------------------------------------------------------------------------------- */

static int check_rules(const struct phu_console_conf *conf)
{
    struct phu_rules *rules = NULL;
    struct phu_diags diags;
    int error = 0;

    phu_diags_init(&diags);
    if (conf->rules.count)
        error = phu_rules_load(conf->rules.items, conf->rules.count, &diags, &rules);
    phu_diags_print(&diags, stderr);
    phu_diags_fini(&diags);
    if (!error)
        printf("rules: %zu\n", rules ? phu_rules_count(rules) : 0);
    phu_rules_free(rules);
    return error;
}

static int check_store(const struct phu_console_conf *conf)
{
    char why[400] = "";
    int error = phu_store_check(conf->store.path, NULL, NULL, why, sizeof why);

    if (error)
        fprintf(stderr, "%s: %s\n", conf->store.path, *why ? why : strerror(-error));
    else
        puts("store: whole");
    return error;
}

static int run_check(const struct request *request)
{
    struct phu_console_conf conf;
    int mistakes = 0;

    if (load(request, &conf))
        return PHU_EXIT_FAILED;
    puts("configuration: no mistakes");
    mistakes |= check_rules(&conf);
    if (request->with_store)
        mistakes |= check_store(&conf);
    phu_console_conf_free(&conf);
    return mistakes ? PHU_EXIT_FAILED : PHU_EXIT_OK;
}

/* -- token --------------------------------------------------------------------------------------
 */

static int create_token(const struct request *request, struct phu_tokens *tokens)
{
    char secret[PHU_TOKEN_SECRET], role[PHU_IDENTITY_MAX + 8], why[300] = "";
    struct phu_token made;
    int error;

    if (!request->role)
        return usage_error("say for whom: --agent ID, --read or --admin", NULL);
    if (request->agent && !phu_text_is_id(request->agent))
        return usage_error("an agent's id holds letters, digits and . _ : - only, not",
                           request->agent);
    error = phu_tokens_create(tokens, request->role, request->agent, phu_wall_now().ns, secret,
                              &made, why, sizeof why);
    if (error) {
        fprintf(stderr, "phusong console: %s\n", why);
        return PHU_EXIT_SYSTEM;
    }
    phu_token_role_text(&made, role);
    if (request->is_json) {
        printf("{\"id\":\"%s\",\"role\":\"%s\",\"token\":\"%s\"}\n", made.id, role, secret);
    } else {
        puts(secret);
        fprintf(stderr, "token %s, role %s; the line above is shown this once\n", made.id, role);
    }
    explicit_bzero(secret, sizeof secret);
    return fflush(stdout) == 0 ? PHU_EXIT_OK : PHU_EXIT_SYSTEM;
}

static void print_token(const struct phu_token *token, bool is_json, bool is_first)
{
    char role[PHU_IDENTITY_MAX + 8], created[PHU_RFC3339_SIZE], revoked[PHU_RFC3339_SIZE] = "";

    phu_token_role_text(token, role);
    phu_rfc3339_format(created, (struct phu_wall){token->created_ns});
    if (token->revoked_ns)
        phu_rfc3339_format(revoked, (struct phu_wall){token->revoked_ns});
    if (!is_json)
        printf("%-12s %-24s %-21s %s\n", token->id, role, created, revoked);
    else
        printf("%s  {\"id\":\"%s\",\"role\":\"%s\",\"created\":\"%s\",\"revoked\":%s%s%s}",
               is_first ? "" : ",\n", token->id, role, created, *revoked ? "\"" : "",
               *revoked ? revoked : "null", *revoked ? "\"" : "");
}

static int list_tokens(const struct request *request, const struct phu_tokens *tokens)
{
    if (request->is_json)
        puts("[");
    else
        printf("%-12s %-24s %-21s %s\n", "ID", "ROLE", "CREATED", "REVOKED");
    for (size_t i = 0; i < phu_tokens_count(tokens); i++)
        print_token(phu_tokens_at(tokens, i), request->is_json, i == 0);
    if (request->is_json)
        puts(phu_tokens_count(tokens) ? "\n]" : "]");
    return fflush(stdout) == 0 ? PHU_EXIT_OK : PHU_EXIT_SYSTEM;
}

static int revoke_token(const char *id, struct phu_tokens *tokens)
{
    char why[300] = "";
    int error = phu_tokens_revoke(tokens, id, phu_wall_now().ns, why, sizeof why);

    if (!error)
        return PHU_EXIT_OK;
    fprintf(stderr, "phusong console: %s\n", why);
    return error == -ENOENT || error == -EALREADY ? PHU_EXIT_NOT_FOUND : PHU_EXIT_SYSTEM;
}

static char *state_dir_of(const struct request *request)
{
    struct phu_console_conf conf;
    char *state_dir;

    if (request->state_dir)
        return phu_mem_strdup(request->state_dir);
    if (load(request, &conf))
        return NULL;
    state_dir = phu_mem_strdup(conf.state_dir);
    phu_console_conf_free(&conf);
    return state_dir;
}

static int run_token(const struct request *request)
{
    const char *verb = request->count > 1 ? request->words[1] : "";
    bool is_revoke = strcmp(verb, "revoke") == 0;
    struct phu_tokens *tokens = NULL;
    char *state_dir, why[300] = "";
    int result;

    if (strcmp(verb, "create") != 0 && strcmp(verb, "ls") != 0 && !is_revoke)
        return usage_error("token takes create, ls or revoke", NULL);
    if (request->count != 2 + is_revoke)
        return usage_error(is_revoke ? "revoke takes the id of one token; ls shows them"
                                     : "unexpected words",
                           NULL);
    state_dir = state_dir_of(request);
    if (!state_dir)
        return PHU_EXIT_USAGE;
    if (phu_tokens_open(state_dir, &tokens, why, sizeof why) < 0) {
        fprintf(stderr, "phusong console: %s\n", why);
        result = PHU_EXIT_SYSTEM;
    } else if (is_revoke) {
        result = revoke_token(request->words[2], tokens);
    } else if (verb[0] == 'l') {
        result = list_tokens(request, tokens);
    } else {
        result = create_token(request, tokens);
    }
    phu_tokens_free(tokens);
    free(state_dir);
    return result;
}

/* -- backup, config
 * -------------------------------------------------------------------------------- */

static int run_backup(const struct request *request)
{
    struct phu_console_conf conf;
    char why[400] = "";
    int error;

    if (request->count != 2)
        return usage_error("backup takes the file to write", NULL);
    if (load(request, &conf))
        return PHU_EXIT_USAGE;
    error = phu_store_backup(conf.store.path, request->words[1], NULL, NULL, why, sizeof why);
    if (error)
        fprintf(stderr, "phusong console: %s\n", *why ? why : strerror(-error));
    phu_console_conf_free(&conf);
    return error ? PHU_EXIT_SYSTEM : PHU_EXIT_OK;
}

static const char default_head[] =
    "# Configuration of the phusong console. Every option is here with its default, its meaning "
    "and its\n"
    "# range; what is left out has its default. Check the file with \"phusong console check\".\n"
    "#\n"
    "# Durations and sizes carry a unit: 500ms, 10s, 5m, 1h, 7d; 512B, 64KiB, 16MiB, 2GB. Paths "
    "are\n"
    "# relative to this file.\n";

static const char reference_head[] =
    "# Configuration of the console\n"
    "\n"
    "`phusong console -c FILE` reads one YAML file. This page is printed by `phusong console "
    "config\n"
    "reference` from the tables that the file is checked with; `phusong console config default` "
    "prints a\n"
    "complete file to start from, and `phusong console check -c FILE` reports every mistake of "
    "one. How\n"
    "values are written is told in [configuration.md](configuration.md).\n";

static int run_config(const struct request *request)
{
    const char *what = request->count == 2 ? request->words[1] : "";

    if (strcmp(what, "default") == 0) {
        fputs(default_head, stdout);
        phu_conf_print_default(&phu_console_options, stdout);
    } else if (strcmp(what, "reference") == 0) {
        fputs(reference_head, stdout);
        phu_conf_print_reference(&phu_console_options, stdout);
    } else {
        return usage_error("config takes default or reference", NULL);
    }
    return fflush(stdout) == 0 ? PHU_EXIT_OK : PHU_EXIT_SYSTEM;
}

/* -- The command line
 * ------------------------------------------------------------------------------- */

enum { STATE_DIR = 256, AGENT, READ, ADMIN, JSON, STORE };

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"state-dir", required_argument, NULL, STATE_DIR},
    {"agent", required_argument, NULL, AGENT},
    {"read", no_argument, NULL, READ},
    {"admin", no_argument, NULL, ADMIN},
    {"json", no_argument, NULL, JSON},
    {"store", no_argument, NULL, STORE},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int take_role(struct request *request, enum phu_role role, const char *agent)
{
    if (request->role)
        return usage_error("only one of --agent, --read and --admin", NULL);
    request->role = role;
    request->agent = agent;
    return PHU_EXIT_OK;
}

static int take_option(struct request *request, int option)
{
    switch (option) {
    case 'c':
        request->config = optarg;
        return PHU_EXIT_OK;
    case STATE_DIR:
        request->state_dir = optarg;
        return PHU_EXIT_OK;
    case AGENT:
        return take_role(request, PHU_ROLE_AGENT, optarg);
    case READ:
        return take_role(request, PHU_ROLE_READ, NULL);
    case ADMIN:
        return take_role(request, PHU_ROLE_ADMIN, NULL);
    case JSON:
        request->is_json = true;
        return PHU_EXIT_OK;
    case STORE:
        request->with_store = true;
        return PHU_EXIT_OK;
    default:
        fputs("try: phusong console --help\n", stderr);
        return PHU_EXIT_USAGE;
    }
}

static int run_words(const struct request *request)
{
    const char *word = request->words[0];

    if (!request->count)
        return phu_console_run(request->config);
    if (strcmp(word, "token") == 0)
        return run_token(request);
    if (strcmp(word, "backup") == 0)
        return run_backup(request);
    if (strcmp(word, "config") == 0)
        return run_config(request);
    if (strcmp(word, "check") == 0 && request->count == 1)
        return run_check(request);
    return usage_error("unexpected", word);
}

int phu_cmd_console(int argc, char **argv)
{
    struct request request = {.config = CONFIG_FILE};
    int option, result;

    if (argc > 1 && strcmp(argv[1], "maintenance") == 0) {
        argv[1] = "phusong console maintenance";
        return phu_cmd_maintenance(argc - 1, argv + 1);
    }
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return PHU_EXIT_OK;
        }
        result = take_option(&request, option);
        if (result)
            return result;
    }
    request.words = argv + optind;
    request.count = argc - optind;
    return run_words(&request);
}
