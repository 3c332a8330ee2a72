/* config_private - what the files of the configuration share: the table of options, the file as
 * written, a load under way, and how a fault is reported with its line. Only config*.c, tests and
 * the fuzzer include this. */
#ifndef TROTLINE_CONFIG_PRIVATE_H
#define TROTLINE_CONFIG_PRIVATE_H

#include "config.h"

enum { CONFIG_SECRETS_MAX = 16 };

/* ---- the table: config_table.c ---- */

enum config_type {
	OPTION_COUNT,       /* uint64_t */
	OPTION_NUMBER,      /* int64_t */
	OPTION_PERCENT,     /* double */
	OPTION_DURATION,    /* uint64_t, ms */
	OPTION_SIZE,        /* uint64_t, bytes */
	OPTION_FLAG,        /* uint64_t: false 0, true 1 */
	OPTION_CHOICE,      /* uint64_t: which of the words in `least` it is, from 0 */
	OPTION_TEXT,        /* char *, as all until LIST; NULL where it is absent */
	OPTION_NAME,        /* of at most `most` characters of a-z, 0-9, - and _ */
	OPTION_PATH,        /* absolute; in the file, relative to the file's folder */
	OPTION_SECRET_PATH, /* the same; with CONFIG_NO_SECRETS its variables need not be set */
	OPTION_SECRET,      /* only filled for whom it is */
	OPTION_ADDRESS,     /* then in the struct: char * its address, uint64_t its port; `least` is
			     * the word for none */
	OPTION_TEXTS,       /* char **, of at most `most` texts */
	OPTION_SECRETS,     /* the same with room for `most`, only filled for whom they are */
	OPTION_HEADERS,     /* char ** as well, of `Name: value`; in the file, a group of them */
	OPTION_DURATIONS,   /* uint64_t *, ms, of at most `most`; `least` has their bounds */
	OPTION_LIST,        /* of structs, whose own options follow as rows `key[].name` */
};

/* What an option needs. Inherited is what an entry leaves out: it is then as outside of the list
 * (`retry.delay` for `retry.types[].delay`). */
enum {
	LIVE = 0,
	RESTART = 1,  /* a running process cannot take another value on */
	REQUIRED = 2, /* must be in the file; of a list, an entry at least */
	UNIQUE = 4,   /* a text that no two entries of its list have in common */
	INHERITED = 8,
};

struct config_option {
	const char *key; /* as in the README: "limits.memory", "sources[].name" */
	enum config_type type;
	unsigned needs;
	size_t offset;      /* of its member in struct config, or in that of a list's entries */
	size_t count, size; /* of lists: where the number of entries stands, and an entry's bytes */
	const char *fallback, *least, *most; /* as in the file, read by the same code; "": none; of
					      * lists, words with a blank between them */
};

/* Rows of a list follow the list's own; ended by a row without a key. */
extern const struct config_option config_options[];

/* The options of a list's entries, or with NULL those of the whole; NULL after the last. */
const struct config_option *config_option_first(const struct config_option *list);
const struct config_option *config_option_next(
	const struct config_option *list, const struct config_option *option);

/* The part of the key that comes after the list's. */
const char *config_option_name(
	const struct config_option *list, const struct config_option *option);

/* What may stand in the file under a key such as `sources[0].secrets[1]`. *option: its row, or NULL
 * for a group. */
enum config_shape { SHAPE_UNKNOWN, SHAPE_VALUE, SHAPE_LIST, SHAPE_HEADERS, SHAPE_GROUP };
enum config_shape config_option_find(const char *key, const struct config_option **option);

/* Reads text into the option's member, for the types of numbers. False when it is no value of the
 * type or out of bounds; then why says what is allowed, without the key. */
bool config_value_read(
	const struct config_option *option, const char *text, void *member, struct error *why);

/* ---- the file as written: config_file.c ---- */

/* What is in it is known to the table, stands there once and has the right shape. */
struct config_entry {
	char *key;                   /* the whole one: "sources[0].max_age" */
	size_t line;                 /* of the key; in a list, of the entry */
	char *text;                  /* NULL: a list or a group */
	size_t count;                /* of a list: its entries */
	struct config_entry *before; /* in the file; NULL for the first, the whole */
};

/* A load under way. */
struct config_load {
	const char *path;  /* as given */
	struct slice text; /* of the file */
	struct error *why;
	struct config_entry *written; /* the last of the file's entries */
	struct config *cfg;
	char *folder; /* of the file: where relative paths start */
	enum config_mode mode;
	config_check *check; /* of each source, or NULL */
};

/* Reads ld->text into ld->written. False with the cause. */
bool config_file_read(struct config_load *ld);
/* Frees the entries and wipes every byte of them. */
void config_file_free(struct config_load *ld);

/* NULL where the file leaves it out. */
const struct config_entry *config_entry_find(const struct config_load *ld, const char *key);

/* A key such as `sources[0].max_age`; what does not fit is cut. */
struct config_key {
	char text[160];
};
__attribute__((format(printf, 1, 2))) struct config_key config_key(const char *fmt, ...);

/* "<path> line <n>: <key>: <cause>"; the line is that of the key, else of the nearest group around
 * it that is in the file, else left out. Returns false. */
__attribute__((format(printf, 3, 4))) bool config_fault(
	const struct config_load *ld, const char *key, const char *fmt, ...);

/* The same as a line of cfg->doubts. */
__attribute__((format(printf, 3, 4))) bool config_doubt(
	const struct config_load *ld, const char *key, const char *fmt, ...);

/* ---- into the struct, over the whole table: config_take.c ---- */

/* Fills ld->cfg. False with the cause. */
bool config_take_all(const struct config_load *ld);
/* One option of the struct at base, from a text that is not the file's. */
bool config_take_text(const struct config_load *ld, const struct config_option *option,
	const char *key, const char *text, void *base);
/* Of a list of values: n entries, or words of its fallback; config_words tells how many these are. */
size_t config_words(const char *words);
bool config_take_texts(const struct config_load *ld, const struct config_option *option,
	const char *key, size_t n, void *base);
bool config_take_durations(const struct config_load *ld, const struct config_option *option,
	const char *key, size_t n, void *base);
bool config_take_headers(const struct config_load *ld, const struct config_option *option,
	const char *key, size_t n, void *base);

/* Where an option's value is in the struct at base, and of a list how many there are. */
static inline void *
config_member(const struct config_option *option, void *base)
{
	return (char *)base + option->offset;
}

static inline size_t *
config_count(const struct config_option *option, void *base)
{
	return (size_t *)((char *)base + option->count);
}

static inline bool
config_memory_is_short(const struct config_load *ld, const char *key)
{
	return config_fault(ld, key, "memory is short");
}

/* Frees all texts and lists of the struct at base; secrets are wiped. */
void config_take_free(const struct config_option *list, void *base);

/* ---- what is right one by one must fit together ---- */

bool config_check_sources(const struct config_load *ld);
bool config_check_forward(const struct config_load *ld);
bool config_check_fleet(const struct config_load *ld);
/* Is this load for who is given that option's secrets? */
bool config_is_for(const struct config_load *ld, const struct config_option *option);
/* And does this one of them come to it: the command line does without what its environment lacks. */
bool config_is_given(
	const struct config_load *ld, const struct config_option *option, const char *text);
/* Reads src->secrets_file, and counts what is weak. */
bool config_secrets_read(const struct config_load *ld, const char *key, struct config_source *src);
/* Does a secret that this load is for name the variable? */
bool config_secrets_needs(const struct config_load *ld, struct slice variable);
/* Wipes the variables that others' secrets name from this process's environment. */
void config_secrets_wipe_environment(const struct config_load *ld);
/* Checks the list, and joins it with the built-in handlers. */
bool config_join_handlers(const struct config_load *ld);

/* ---- variables: config_expand.c ---- */

/* The text with each `${VAR}` replaced from the environment; `$${` stands for a plain `${`. NULL
 * with the cause. The caller frees it. */
char *config_expand(const struct config_load *ld, const char *key, const char *text);
/* Checks the form only. */
bool config_expand_check(const struct config_load *ld, const char *key, const char *text);
/* Every variable that the text names is set. */
bool config_expand_is_set(const char *text);
/* Wipes every variable that the text names from this process's environment, but for those that
 * the load itself needs. */
void config_expand_wipe(const struct config_load *ld, const char *text);
bool config_expand_names(const char *text, struct slice variable);

/* Where a host lies, as far as its name or address tells; *peer: its address, unless it is a name. */
struct peer;
enum config_kind { KIND_NAME, KIND_PUBLIC, KIND_LOOPBACK, KIND_PRIVATE, KIND_NEVER };
enum config_kind config_kind_of(const char *host, struct peer *peer);
bool config_network_holds(const char *network, const struct peer *peer);

/* "https://host[...]", or http; what it names is not looked up. And what to say where it is none. */
bool config_is_url(const char *text);
#define CONFIG_NO_URL "is no URL; it begins with https:// (or http://) and a host"

#endif
