/* cli - what the verbs of bin/trotline share: flags from one table a verb, and exit codes. */
#ifndef TROTLINE_CLI_H
#define TROTLINE_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/config/config.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_DOWN = 3, CLI_BAD_CONFIG = 100 };

struct verb {
	const char *name;
	const char *arguments; /* "ID", "a|b [ID]" where the second may lack, or "" for none */
	const char *summary;
	const char *details; /* more of the help text, whole lines */
	int (*run)(const struct verb *verb, int argc, char **argv);
};

/* One file a verb. */
extern const struct verb verb_up, verb_send, verb_tap, verb_event, verb_verify;
extern const struct verb verb_check, verb_status, verb_top, verb_reload, verb_drain, verb_fsck,
	verb_load, verb_completion, verb_quarantine;
extern const struct verb verb_dlq, verb_retry, verb_suppressions, verb_batch;

struct flag {
	const char *name; /* of the long form */
	char letter;      /* of the short form, 0 for none */
	enum { FLAG_SWITCH, FLAG_TEXT, FLAG_NUMBER, FLAG_LIST } kind;
	const char *argument; /* how the help calls it; NULL for a switch */
	const char *help;
	void *to; /* bool *, const char **, uint64_t * (1 and more), struct flag_list * */
};

struct flag_list {
	const char *texts[64];
	size_t n;
};

/* What is left of a command line. */
struct arguments {
	char **list;
	size_t n;
};

#define FLAG_CONFIG(to_)                                                                           \
	{                                                                                          \
		"config", 'c', FLAG_TEXT, "FILE",                                                  \
			"configuration (else $TROTLINE_CONFIG, else ./trotline.yaml)", (to_)       \
	}

/* Reads a verb's command line into its flags. -1 to go on; otherwise the exit code, with the help
 * (--help) or what is wrong already printed. As many other arguments as verb->arguments names are
 * allowed, with those in [brackets] left out or not, and any number where it says `...`; they go to
 * *rest. */
int cli_flags(const struct verb *verb, const struct flag *flags, size_t n, int argc, char **argv,
	struct arguments *rest);

/* Says on stderr what is wrong and how to get help; returns CLI_USAGE. */
__attribute__((format(printf, 2, 3))) int cli_wrong_use(
	const struct verb *verb, const char *fmt, ...);

/* Says "trotline <verb>: <cause>" on stderr; returns CLI_FAILED. */
int cli_failed(const struct verb *verb, const struct error *why);

/* Says on stderr that no pipeline runs on this configuration; returns CLI_DOWN. */
int cli_down(const struct verb *verb, const struct config *cfg);

/* The configuration that `given` or the environment names. NULL after saying why; then the exit
 * code is CLI_BAD_CONFIG. */
struct config *cli_config(const struct verb *verb, const char *given, enum config_mode mode);

/* Prints the fields of all frames; returns CLI_DONE. */
int cli_frames(void);

/* How this program was called, for command lines to be copied. */
extern const char *cli_program;

#endif
