/* YAML to a tree, through libyaml's events: they alone still show anchors, aliases and the number
 * of documents. All nodes and texts live in chunks that are freed together.
 */
#include "conf_tree.h"

#include "mem.h"

#include "phusong/err.h"
#include "phusong/text.h"

#include <yaml.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- Memory ----------------------------------------------------------------------------------- */

enum { CHUNK_BYTES = 16 * 1024 };

struct phu_conf_chunk {
    struct phu_conf_chunk *next;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

static void *take(struct phu_conf_tree *tree, size_t size)
{
    struct phu_conf_chunk *chunk = tree->chunks;
    char *memory;

    size = (size + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t);
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;

        chunk = phu_mem_alloc(1, sizeof *chunk + room);
        chunk->size = room;
        chunk->next = tree->chunks;
        tree->chunks = chunk;
    }
    memory = chunk->bytes + chunk->used;
    chunk->used += size;
    return memory;
}

static const char *take_text(struct phu_conf_tree *tree, const char *text, size_t length)
{
    char *copy = take(tree, length + 1);

    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void phu_conf_tree_init(struct phu_conf_tree *tree)
{
    *tree = (struct phu_conf_tree){0};
}

void phu_conf_tree_fini(struct phu_conf_tree *tree)
{
    while (tree->chunks) {
        struct phu_conf_chunk *next = tree->chunks->next;

        free(tree->chunks);
        tree->chunks = next;
    }
}

/* -- Nodes ------------------------------------------------------------------------------------ */

struct phu_conf_node *phu_conf_node_key(const struct phu_conf_node *mapping, const char *name)
{
    struct phu_conf_node *key;

    if (!mapping || mapping->kind != PHU_CONF_MAPPING)
        return NULL;
    for (key = mapping->first; key; key = key->next) {
        if (strcmp(key->text, name) == 0)
            return key;
    }
    return NULL;
}

static const struct phu_conf_node *nth(const struct phu_conf_node *list, size_t index)
{
    const struct phu_conf_node *item = list ? list->first : NULL;

    while (item && index--)
        item = item->next;
    return item;
}

const struct phu_conf_node *phu_conf_node_find(const struct phu_conf_node *node, const char *path)
{
    while (node && *path) {
        size_t length = strcspn(path, ".[");
        char *name = phu_mem_strndup(path, length);
        const struct phu_conf_node *key = phu_conf_node_key(node, name), *item;

        free(name);
        if (!key || !key->value)
            return node;
        node = key->value;
        path += length;
        if (*path == '[') {
            item = nth(node, strtoul(path + 1, NULL, 10));
            node = item ? item : node;
            path += strcspn(path, ".");
        }
        path += *path == '.';
    }
    return node;
}

bool phu_conf_node_is_null(const struct phu_conf_node *node)
{
    return node->kind == PHU_CONF_SCALAR && !node->is_quoted &&
           (node->length == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

char *phu_conf_path_join(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    char *joined;
    size_t folder = slash ? (size_t)(slash - file) + 1 : 0;

    if (path[0] == '/')
        folder = 0;
    joined = phu_mem_alloc(folder + strlen(path) + 1, 1);
    memcpy(joined, file, folder);
    memcpy(joined + folder, path, strlen(path) + 1);
    return joined;
}

/* -- Building --------------------------------------------------------------------------------- */

struct build {
    struct phu_conf_tree *tree;
    struct phu_diags *diags;
    const char *file, *text;
    size_t length;
    struct phu_conf_node *root, *open; /* the innermost container */
    struct phu_conf_node *key;         /* waits for its value */
    struct phu_conf_node *last;        /* scalar: a syntax error may have bent it */
    unsigned depth, documents;
    bool is_over; /* no more events wanted */
};

#define MISTAKE(build, mark, ...)                                                                  \
    phu_diags_add((build)->diags, (build)->file, (unsigned)(mark).line + 1,                        \
                  (unsigned)(mark).column + 1, __VA_ARGS__)

static void give_up(struct build *build)
{
    build->is_over = true;
    build->tree->is_broken = true;
}

static struct phu_conf_node *new_node(struct build *build, enum phu_conf_kind kind,
                                      yaml_mark_t mark)
{
    struct phu_conf_node *node = take(build->tree, sizeof *node);

    *node = (struct phu_conf_node){
        .kind = kind,
        .file = build->file,
        .line = (unsigned)mark.line + 1,
        .column = (unsigned)mark.column + 1,
    };
    if (++build->tree->node_count > PHU_CONF_NODES_MAX && !build->is_over) {
        MISTAKE(build, mark, "more than %d values; split the configuration or remove some",
                PHU_CONF_NODES_MAX);
        give_up(build);
    }
    return node;
}

static void append(struct phu_conf_node *parent, struct phu_conf_node *child)
{
    child->parent = parent;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

static void add_key(struct build *build, struct phu_conf_node *node, yaml_mark_t mark)
{
    struct phu_conf_node *first;

    if (node->kind != PHU_CONF_SCALAR) {
        MISTAKE(build, mark, "a key must be a plain word");
        give_up(build);
        return;
    }
    build->key = node;
    node->parent = build->open;
    first = phu_conf_node_key(build->open, node->text);
    if (first) {
        MISTAKE(build, mark, "\"%s\" is already given at line %u; remove one of them", node->text,
                first->line);
        return; /* its value hangs on a key that is in no mapping */
    }
    if (build->open->count == PHU_CONF_KEYS_MAX) {
        MISTAKE(build, mark, "more than %d keys in one section", PHU_CONF_KEYS_MAX);
        give_up(build);
        return;
    }
    append(build->open, node);
}

static void place(struct build *build, struct phu_conf_node *node, yaml_mark_t mark)
{
    if (!build->open) {
        build->root = node;
    } else if (build->open->kind == PHU_CONF_SEQUENCE) {
        append(build->open, node);
    } else if (!build->key) {
        add_key(build, node, mark);
    } else {
        build->key->value = node;
        node->parent = build->open;
        build->key = NULL;
    }
}

static void open_container(struct build *build, enum phu_conf_kind kind, yaml_mark_t mark)
{
    struct phu_conf_node *node = new_node(build, kind, mark);

    place(build, node, mark);
    if (build->depth++ == PHU_CONF_DEPTH_MAX && !build->is_over) {
        MISTAKE(build, mark, "nested deeper than %d levels", PHU_CONF_DEPTH_MAX);
        give_up(build);
    }
    /* A container inside a mapping interrupts no key: place() has used it. */
    build->open = node;
}

static void close_container(struct build *build)
{
    assert(build->open); /* libyaml ends only what it has begun */
    build->depth--;
    build->open = build->open->parent;
    build->key = NULL;
}

static void refuse_marks(struct build *build, const yaml_char_t *anchor, const yaml_char_t *tag,
                         yaml_mark_t mark)
{
    if (anchor)
        MISTAKE(build, mark, "anchors (&%s) are not supported; write the value out where needed",
                (const char *)anchor);
    if (tag)
        MISTAKE(build, mark, "tags (%s) are not supported; remove it", (const char *)tag);
}

static void add_scalar(struct build *build, const yaml_event_t *event)
{
    struct phu_conf_node *node = new_node(build, PHU_CONF_SCALAR, event->start_mark);

    node->text =
        take_text(build->tree, (const char *)event->data.scalar.value, event->data.scalar.length);
    node->length = event->data.scalar.length;
    node->is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (strlen(node->text) != node->length) {
        MISTAKE(build, event->start_mark, "holds a NUL character; remove the \\0");
        node->is_bad = true;
    }
    build->last = node;
    refuse_marks(build, event->data.scalar.anchor, event->data.scalar.tag, event->start_mark);
    place(build, node, event->start_mark);
}

static void add_alias(struct build *build, const yaml_event_t *event)
{
    struct phu_conf_node *node = new_node(build, PHU_CONF_SCALAR, event->start_mark);

    MISTAKE(build, event->start_mark,
            "aliases (*%s) are not supported; write the value out where needed",
            (const char *)event->data.alias.anchor);
    node->text = "";
    node->is_bad = true;
    place(build, node, event->start_mark);
}

static void start_document(struct build *build, const yaml_event_t *event)
{
    if (build->documents++) {
        MISTAKE(build, event->start_mark,
                "a second document starts here; keep one per file, without \"---\"");
        build->is_over = true;
    }
}

static void take_event(struct build *build, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        start_document(build, event);
        break;
    case YAML_SCALAR_EVENT:
        add_scalar(build, event);
        break;
    case YAML_ALIAS_EVENT:
        add_alias(build, event);
        break;
    case YAML_MAPPING_START_EVENT:
        refuse_marks(build, event->data.mapping_start.anchor, event->data.mapping_start.tag,
                     event->start_mark);
        open_container(build, PHU_CONF_MAPPING, event->start_mark);
        break;
    case YAML_SEQUENCE_START_EVENT:
        refuse_marks(build, event->data.sequence_start.anchor, event->data.sequence_start.tag,
                     event->start_mark);
        open_container(build, PHU_CONF_SEQUENCE, event->start_mark);
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        close_container(build);
        break;
    case YAML_STREAM_END_EVENT:
        build->is_over = true;
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
}

/* -- Syntax errors ---------------------------------------------------------------------------- */

static const char *remedy(const char *problem)
{
    static const struct {
        const char *problem, *remedy;
    } table[] = {
        {"mapping values are not allowed in this context",
         "put a value that holds \": \" in quotes, and indent keys of one section alike"},
        {"did not find expected key", "indent keys of one section alike"},
        {"did not find expected '-' indicator", "indent the entries of one list alike"},
        {"could not find expected ':'", "write \"key: value\", with a space after the colon"},
        {"did not find expected node content", "is a value, or a closing bracket, missing?"},
        {"found character that cannot start any token",
         "put a value that starts with @, ` or % in quotes"},
        {"did not find expected ',' or ']'", "close the list with ]"},
        {"did not find expected ',' or '}'", "close the section with }"},
        {"did not find expected alphabetic or numeric character",
         "put a value that starts with * or & in quotes"},
        {"found unknown escape character", "in double quotes write \\\\ for a backslash"},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].problem, problem) == 0)
            return table[i].remedy;
    }
    return NULL;
}

static yaml_mark_t mark_of_offset(const struct build *build, size_t offset)
{
    yaml_mark_t mark = {0};
    size_t line_start = 0;

    if (offset > build->length)
        offset = build->length;
    for (size_t i = 0; i < offset; i++) {
        if (build->text[i] == '\n') {
            mark.line++;
            line_start = i + 1;
        }
    }
    mark.column = phu_text_characters(build->text + line_start, offset - line_start);
    return mark;
}

/* libyaml notices an open quote at the end of the file, which is of no help. */
static bool is_open_quote(const yaml_parser_t *parser)
{
    return parser->problem && strcmp(parser->problem, "found unexpected end of stream") == 0 &&
           parser->context && strcmp(parser->context, "while scanning a quoted scalar") == 0;
}

static void add_syntax_error(struct build *build, const yaml_parser_t *parser)
{
    const char *problem = parser->problem ? parser->problem : "no memory";
    const char *hint = remedy(problem);
    bool is_reader = parser->error == YAML_READER_ERROR;
    yaml_mark_t mark =
        is_reader ? mark_of_offset(build, parser->problem_offset) : parser->problem_mark;

    if (build->last)
        build->last->is_bad = true;
    if (is_open_quote(parser))
        MISTAKE(build, parser->context_mark, "this quote is never closed");
    else if (is_reader)
        MISTAKE(build, mark, "not valid YAML: %s (U+%04X); remove it", problem,
                (unsigned)parser->problem_value);
    else if (hint)
        MISTAKE(build, mark, "not valid YAML: %s; %s", problem, hint);
    else
        MISTAKE(build, mark, "not valid YAML: %s", problem);
    give_up(build);
}

/* Length of the start of `text` that consists of `bytes`. The text ends in no NUL. */
static size_t span(const char *text, size_t length, const char *bytes)
{
    size_t count = 0;

    while (count < length && text[count] && strchr(bytes, text[count]))
        count++;
    return count;
}

/* Is the text fit for libyaml? Tabs are looked for here because libyaml's own words for them help
 * nobody. */
static bool is_text(struct build *build)
{
    size_t valid = phu_text_valid(build->text, build->length), line = 0;
    bool is_fit = true;

    if (valid < build->length) {
        MISTAKE(build, mark_of_offset(build, valid),
                "not UTF-8 (byte 0x%02x); save the file as UTF-8",
                (unsigned)(unsigned char)build->text[valid]);
        return false;
    }
    for (size_t start = 0; start < build->length; line++) {
        const char *end = memchr(build->text + start, '\n', build->length - start);
        size_t length = end ? (size_t)(end - build->text) - start : build->length - start;
        size_t blank = span(build->text + start, length, " \t\r"), spaces;

        spaces = span(build->text + start, length, " ");
        if (blank < length && spaces < blank && build->text[start + spaces] == '\t' &&
            build->text[start + blank] != '#') {
            MISTAKE(build, ((yaml_mark_t){.line = line, .column = spaces}),
                    "indented with a tab; YAML wants spaces");
            is_fit = false;
        }
        start += length + 1;
    }
    return is_fit;
}

static void parse(struct build *build)
{
    yaml_parser_t parser;
    yaml_event_t event;

    if (!yaml_parser_initialize(&parser))
        abort();
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)build->text, build->length);
    while (!build->is_over) {
        if (!yaml_parser_parse(&parser, &event)) {
            add_syntax_error(build, &parser);
            break;
        }
        take_event(build, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
}

struct phu_conf_node *phu_conf_tree_read(struct phu_conf_tree *tree, const char *file,
                                         const char *text, size_t length, struct phu_diags *diags)
{
    struct build build = {
        .tree = tree,
        .diags = diags,
        .file = take_text(tree, file, strlen(file)),
        .text = text,
        .length = length,
    };

    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        build.text += 3;
        build.length -= 3;
    }
    if (!is_text(&build)) {
        tree->is_broken = true;
        return NULL;
    }
    parse(&build);
    if (!tree->root)
        tree->root = build.root;
    return build.root;
}

/* -- Files ------------------------------------------------------------------------------------ */

static int read_all(int fd, char *buffer, size_t size, size_t *length)
{
    *length = 0;
    while (*length < size) {
        ssize_t got = read(fd, buffer + *length, size - *length);

        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0)
            *length += (size_t)got;
    }
    return -EFBIG;
}

static int slurp(const char *file, char *buffer, size_t size, size_t *length)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), result;
    struct stat info;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode))
        result = -EISDIR;
    else
        result = read_all(fd, buffer, size, length);
    close(fd);
    return result;
}

/* Room for what the file holds now, and a byte to see that it ends; or for as much as it may. */
static size_t room_for(const char *file)
{
    struct stat info;

    return stat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size < PHU_CONF_FILE_MAX
               ? (size_t)info.st_size + 1
               : PHU_CONF_FILE_MAX + 1;
}

struct phu_conf_node *phu_conf_tree_read_file(struct phu_conf_tree *tree, const char *file,
                                              struct phu_diags *diags)
{
    size_t size = room_for(file), length = 0;
    char *text = phu_mem_alloc(size + 1, 1);
    int result = slurp(file, text, size, &length);
    struct phu_conf_node *root = NULL;

    if (result == -EFBIG && size <= PHU_CONF_FILE_MAX) { /* it has grown meanwhile */
        free(text);
        size = PHU_CONF_FILE_MAX + 1;
        text = phu_mem_alloc(size + 1, 1);
        result = slurp(file, text, size, &length);
    }
    if (result == -EFBIG) {
        phu_diags_add(diags, file, 0, 0, "larger than 1 MiB; split it with include:");
        tree->is_broken = true;
    } else if (result < 0) {
        phu_diags_add(diags, file, 0, 0, "cannot be read: %s%s", strerror(-result),
                      result == -ENOENT ? "; phusong config default prints one to start from" : "");
        tree->is_broken = true;
    } else {
        root = phu_conf_tree_read(tree, file, text, length, diags);
    }
    free(text);
    return root;
}
