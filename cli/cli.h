/* cli - what the verbs of bin/trotline share. A verb's row says all that is known of it before it
 * runs: its flags, the mode of its configuration, the stores that it works on. main reads, opens
 * and closes them; the verb's function gets a call in which all is there. */
#ifndef TROTLINE_CLI_H
#define TROTLINE_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/config/config.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_DOWN = 3, CLI_BAD_CONFIG = 100 };

/* All verbs, in the order of the help. */
#define CLI_VERBS(X)                                                                               \
	X(up)                                                                                      \
	X(supervisord)                                                                             \
	X(check)                                                                                   \
	X(status)                                                                                  \
	X(top)                                                                                     \
	X(tap)                                                                                     \
	X(event)                                                                                   \
	X(logs)                                                                                    \
	X(batch)                                                                                   \
	X(dlq)                                                                                     \
	X(retry)                                                                                   \
	X(person)                                                                                  \
	X(message)                                                                                 \
	X(history)                                                                                 \
	X(stats)                                                                                   \
	X(export)                                                                                  \
	X(forward)                                                                                 \
	X(replay)                                                                                  \
	X(suppressions)                                                                            \
	X(send)                                                                                    \
	X(verify)                                                                                  \
	X(quarantine)                                                                              \
	X(unread)                                                                                  \
	X(reload)                                                                                  \
	X(restart)                                                                                 \
	X(drain)                                                                                   \
	X(state)                                                                                   \
	X(adopt)                                                                                   \
	X(fsck)                                                                                    \
	X(load)                                                                                    \
	X(completion)

struct call;

/* What a verb takes from trotline.yaml. */
enum cli_config {
	WITHOUT_CONFIG, /* nothing: it has no --config */
	UNREAD_CONFIG,  /* nothing this time; for `check` to say */
	PLAIN_CONFIG,   /* all but the secrets of senders and destinations */
	PARENT_CONFIG, /* all but secrets; the environment stays, for the processes that it starts */
	SECRET_CONFIG, /* all, for what signs or checks signatures */
};

/* How a store is opened. Where there is none yet, a journal is an error, letters read as empty, and
 * the call gets NULL for the others. */
enum cli_store {
	STORE_UNUSED,
	STORE_READ,
	STORE_HINT,   /* the state alone: read, where it can be */
	STORE_CHANGE, /* made by no verb */
	STORE_MAKE,   /* the state alone */
	STORE_ENTER,  /* the journal alone: as the validator does, new events enter */
};

/* What one word after the verb does, or the verb itself. */
struct action {
	const char *name; /* NULL: of a verb that has but this one */
	enum cli_config config;
	enum cli_store journal, letters, state, quarantine, unread;
	int unopened; /* the exit code when a store cannot be opened; 0: CLI_FAILED */
	/* After the flags and before all else: -1 to go on, otherwise the exit code, the cause
	 * told. It may ask for other modes in call->action. May be NULL. */
	int (*check)(struct call *call);
	int (*run)(struct call *call); /* returns the exit code */
};

struct flag {
	const char *name; /* of the long form; NULL ends a list */
	char letter;      /* of the short form, 0 for none */
	enum { FLAG_SWITCH, FLAG_TEXT, FLAG_NUMBER, FLAG_LIST } kind;
	const char *argument; /* how the help calls it; NULL for a switch */
	const char *help;
	size_t at;            /* in the verb's options: a bool, const char *, uint64_t (1 and more),
			       * or struct flag_list */
	const char *fallback; /* the value where it is not given, or NULL */
};

#define FLAG_AT(type, member) .at = offsetof(struct type, member)

struct verb {
	const char *name;
	const char *arguments; /* after the action: "ID", "[ID]" that may lack, "[ID ...]"; NULL */
	const char *summary;
	const char *details;          /* more of the help text, whole lines */
	const struct flag *flags;     /* or NULL */
	size_t options;               /* bytes that the flags fill, zero where none was given */
	const struct action *actions; /* the last one's `run` is NULL */
};

#define CLI_EXTERN(name) extern const struct verb verb_##name;
CLI_VERBS(CLI_EXTERN)

/* The options of a verb that has no more than --json, and its row's part about them. */
struct cli_plain {
	bool json;
};
#define CLI_JSON_ALONE(help_)                                                                      \
	.flags = (const struct flag[]){{"json", 0, FLAG_SWITCH, NULL, help_,                       \
					       FLAG_AT(cli_plain, json)},                          \
		{.name = NULL}},                                                                   \
	.options = sizeof(struct cli_plain)

/* Of an action that looks for events wherever they may stand. */
#define CLI_WHERE_EVENTS_ARE                                                                       \
	.config = PLAIN_CONFIG, .journal = STORE_READ, .letters = STORE_READ, .state = STORE_HINT

struct flag_list {
	const char *texts[64];
	size_t n;
};

/* What is left of a command line. */
struct arguments {
	char **list;
	size_t n;
};

struct journal;
struct letters;
struct quarantine;
struct unread;
struct state;

/* One call of a verb; all of it ends with the call. */
struct call {
	const struct verb *verb;
	struct action action;
	void *options;
	struct arguments rest; /* without the action's name */
	const char *path;      /* of the configuration */
	const struct config *cfg;
	struct journal *journal;
	struct letters *letters;
	struct state *state;
	struct quarantine *quarantine;
	struct unread *unread;
};

/* Reads the command line, opens what the verb's row names, runs it, closes all. Returns the exit
 * code. */
int cli_call(const struct verb *verb, int argc, char **argv);

/* Reads a verb's command line into call->options and ->rest. -1 to go on; otherwise the exit code,
 * with the help (--help) or what is wrong already printed. */
int cli_flags(struct call *call, int argc, char **argv);

/* What follows the verb and its flags, as its help has it. */
enum { CLI_ARGUMENTS_MAX = 128 };
const char *cli_arguments(const struct verb *verb, char out[CLI_ARGUMENTS_MAX]);

/* Says on stderr what is wrong and how to get help; returns CLI_USAGE. */
__attribute__((format(printf, 2, 3))) int cli_wrong_use(
	const struct verb *verb, const char *fmt, ...);

/* Says "trotline <verb>: <cause>" on stderr; returns CLI_FAILED. */
int cli_failed(const struct verb *verb, const struct error *why);

/* Says on stderr that no pipeline runs on this configuration, or none ever has; returns CLI_DOWN. */
int cli_down(const struct verb *verb, const struct config *cfg);

/* Does no ingress of it run on this machine? */
bool cli_is_down(const struct config *cfg);

/* A request to the pipeline's own address has had no answer: says why, and CLI_DOWN with cli_down where
 * that is because it is down, else CLI_FAILED. */
int cli_no_answer(const struct verb *verb, const struct config *cfg, const struct error *why);

/* Was it ever started here? */
bool cli_was_started(const struct config *cfg);

/* How the caller has named the configuration; NULL: it is the one that is taken without -c. For advice. */
extern const char *cli_config;

/* The source of that name, or the first for NULL. NULL after saying that there is none; then the
 * exit code is CLI_USAGE. */
const struct config_source *cli_source(const struct call *call, const char *name);

/* Prints the fields of all frames; returns CLI_DONE. */
int cli_frames(void);

/* How this program was called, for command lines to be copied. */
extern const char *cli_program;

#endif
