/* main - bin/trotline: finds the verb and runs it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "lib/base/harden.h"
#include "lib/base/near.h"

const char *cli_program, *cli_config;

#define ROW(name) &verb_##name,
static const struct verb *const verbs[] = {CLI_VERBS(ROW)};
enum { VERBS_COUNT = sizeof verbs / sizeof *verbs, ARGUMENTS_WIDTH = 13 };

static const struct verb *
find_verb(const char *name)
{
	for (size_t i = 0; i < VERBS_COUNT; i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

static int
help(FILE *to)
{
	char arguments[CLI_ARGUMENTS_MAX];

	fprintf(to,
		"usage: trotline VERB [flags]\n\n"
		"Receives e-mail webhooks: verifies, stores, deduplicates, routes and applies them.\n\n");
	for (size_t i = 0; i < VERBS_COUNT; i++) {
		cli_arguments(verbs[i], arguments);
		fprintf(to, "  %-12s %-*s %s\n", verbs[i]->name, ARGUMENTS_WIDTH,
			strlen(arguments) > ARGUMENTS_WIDTH ? "ACTION" : arguments,
			verbs[i]->summary);
	}
	fprintf(to,
		"\n"
		"`trotline VERB --help` tells more; `trotline --version` prints the version, and\n"
		"`trotline --frames` the fields of all that travels between the stages.\n"
		"Every verb takes -c FILE (else $TROTLINE_CONFIG, else ./trotline.yaml).\n"
		"Exit status: 0 done, 1 failed or refused, 2 wrong use, 3 the pipeline is down,\n"
		"100 bad configuration.\n");
	return to == stdout ? CLI_DONE : CLI_USAGE;
}

/* What a full disk has swallowed is no success. */
static int
finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "trotline: cannot write the output: %s\n", strerror(errno));
	return status == CLI_DONE ? CLI_FAILED : status;
}

static int
print_help(void)
{
	return help(stdout);
}

static int
print_version(void)
{
	return printf("trotline %s\n", TROTLINE_VERSION) < 0;
}

/* What stands in place of a verb, and takes nothing. */
static const struct {
	const char *flag;
	int (*print)(void);
} alone[] = {{"--help", print_help}, {"-h", print_help}, {"--version", print_version},
	{"--frames", cli_frames}};

static int
one_too_many(const char *word)
{
	fprintf(stderr, "trotline: \"%s\" is one argument too many\nTry `trotline --help`.\n",
		word);
	return CLI_USAGE;
}

static int
unknown(const char *word)
{
	struct near near = {.word = word};
	char hint[NEAR_BYTES];

	for (size_t i = 0; i < VERBS_COUNT && *word != '-'; i++)
		near_try(&near, verbs[i]->name);
	for (size_t i = 0; i < sizeof alone / sizeof *alone && *word == '-'; i++)
		near_try(&near, alone[i].flag);
	fprintf(stderr, "trotline: unknown %s \"%s\"%s\nTry `trotline --help`.\n",
		*word == '-' ? "flag" : "verb", word, near_hint(&near, hint));
	return CLI_USAGE;
}

int
main(int argc, char **argv)
{
	const struct verb *verb;

	harden();
	cli_program = argv[0];
	if (argc < 2)
		return help(stderr);
	for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
		if (strcmp(argv[1], alone[i].flag) == 0)
			return argc == 2 ? finish(alone[i].print()) : one_too_many(argv[2]);
	verb = find_verb(argv[1]);
	if (!verb)
		return unknown(argv[1]);
	return finish(cli_call(verb, argc - 1, argv + 1));
}
