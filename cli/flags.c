/* flags - a verb's command line through getopt_long, from the same table as its help text. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "providers/source_keys.h"

enum { FLAGS_MAX = 24, LONG_ONLY = 256 };

static int
flag_code(const struct flag *flags, size_t i)
{
	return flags[i].letter ? flags[i].letter : LONG_ONLY + (int)i;
}

static void
print_flag(const struct flag *f)
{
	char form[64];

	snprintf(form, sizeof form, "--%s%s%s", f->name, f->argument ? " " : "",
		f->argument ? f->argument : "");
	if (f->letter)
		printf("  -%c, %-20s %s\n", f->letter, form, f->help);
	else
		printf("      %-20s %s\n", form, f->help);
}

static void
print_help(const struct verb *verb, const struct flag *flags, size_t n)
{
	printf("usage: trotline %s [flags]%s%s\n\n%s.\n\n", verb->name, *verb->arguments ? " " : "",
		verb->arguments, verb->summary);
	for (size_t i = 0; i < n; i++)
		print_flag(&flags[i]);
	print_flag(&(struct flag){.name = "help", .letter = 'h', .help = "this text"});
	printf("\n%s", verb->details);
}

int
cli_wrong_use(const struct verb *verb, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "trotline %s: ", verb->name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nTry `trotline %s --help`.\n", verb->name);
	return CLI_USAGE;
}

static int
take_flag(const struct verb *verb, const struct flag *f, const char *value)
{
	struct flag_list *list = f->to;
	char *end;

	switch (f->kind) {
	case FLAG_SWITCH:
		*(bool *)f->to = true;
		return -1;
	case FLAG_TEXT:
		*(const char **)f->to = value;
		return -1;
	case FLAG_NUMBER:
		*(uint64_t *)f->to = strtoul(value, &end, 10);
		if (*value >= '1' && *value <= '9' && !*end && strlen(value) < 10)
			return -1;
		return cli_wrong_use(verb, "--%s takes a whole number of at least 1, not \"%s\"",
			f->name, value);
	case FLAG_LIST:
		if (list->n == sizeof list->texts / sizeof *list->texts)
			return cli_wrong_use(verb, "too many --%s", f->name);
		list->texts[list->n++] = value;
		return -1;
	}
	return -1;
}

/* The two forms that getopt_long takes, the ends marked. */
static void
make_forms(const struct flag *flags, size_t n, struct option *longs, char *shorts)
{
	*shorts++ = ':';
	for (size_t i = 0; i < n; i++) {
		int takes = flags[i].argument ? required_argument : no_argument;

		longs[i] = (struct option){flags[i].name, takes, NULL, flag_code(flags, i)};
		if (flags[i].letter)
			*shorts++ = flags[i].letter;
		if (flags[i].letter && flags[i].argument)
			*shorts++ = ':';
	}
	longs[n] = (struct option){"help", no_argument, NULL, 'h'};
	longs[n + 1] = (struct option){0};
	*shorts++ = 'h';
	*shorts = '\0';
}

static int
refuse_flag(const struct verb *verb, int code, char **argv)
{
	const char *given = argv[optind - 1];

	if (code == ':')
		return cli_wrong_use(verb, "%s needs a value", given);
	if (optopt > ' ' && optopt < LONG_ONLY && strncmp(given, "--", 2) != 0)
		return cli_wrong_use(verb, "unknown flag -%c", optopt);
	return cli_wrong_use(verb, "unknown flag %s", given);
}

/* How many arguments verb->arguments names: a word in brackets may be left out, one with dots may
 * come any number of times. *first_missing: the word that follows the first `given` ones. */
static void
count_wanted(const char *names, size_t given, size_t *least, size_t *most, struct slice *missing)
{
	*least = *most = 0;
	for (const char *p = names; *p; p += strspn(p, " ")) {
		const size_t n = strcspn(p, " ");

		if (*most == given)
			*missing = (struct slice){p, n};
		if (memmem(p, n, "...", 3))
			*most = SIZE_MAX;
		else
			++*most;
		*least += *p != '[' && *p != '.';
		p += n;
		if (*most == SIZE_MAX)
			return;
	}
}

static int
check_rest(const struct verb *verb, const struct arguments *rest)
{
	struct slice missing = {"", 0};
	size_t least, most;

	count_wanted(verb->arguments, rest->n, &least, &most, &missing);
	if (rest->n < least)
		return cli_wrong_use(verb, "%.*s is missing", SLICE_ARG(missing));
	if (rest->n > most)
		return cli_wrong_use(verb, "\"%s\" is one argument too many", rest->list[most]);
	return -1;
}

int
cli_flags(const struct verb *verb, const struct flag *flags, size_t n, int argc, char **argv,
	struct arguments *rest)
{
	struct option longs[FLAGS_MAX + 2];
	char shorts[2 * FLAGS_MAX + 4];
	int code, status = -1;

	make_forms(flags, n, longs, shorts);
	while (status < 0 && (code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		size_t i = 0;

		while (i < n && flag_code(flags, i) != code)
			i++;
		if (i < n)
			status = take_flag(verb, &flags[i], optarg);
		else if (code == 'h') {
			print_help(verb, flags, n);
			return CLI_DONE;
		} else
			status = refuse_flag(verb, code, argv);
	}
	*rest = (struct arguments){argv + optind, (size_t)(argc - optind)};
	return status < 0 ? check_rest(verb, rest) : status;
}

int
cli_failed(const struct verb *verb, const struct error *why)
{
	fprintf(stderr, "trotline %s: %s\n", verb->name, why->text);
	return CLI_FAILED;
}

int
cli_down(const struct verb *verb, const struct config *cfg)
{
	fprintf(stderr, "trotline %s: the pipeline of %s is down; `trotline up` starts it\n",
		verb->name, cfg->path);
	return CLI_DOWN;
}

struct config *
cli_config(const struct verb *verb, const char *given, enum config_mode mode)
{
	struct error why = {""};
	const char *path = config_path(given);
	struct config *cfg = mode == CONFIG_SECRETS ? source_keys_load(path, &why)
						    : config_load(path, mode, &why);

	if (!cfg)
		cli_failed(verb, &why);
	return cfg;
}
