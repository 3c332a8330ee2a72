/* flags - a verb's command line through getopt_long, from the same table as its help text. A value
 * goes to its place in the verb's options. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "lib/base/near.h"
#include "text.h"

enum { FLAGS_MAX = 24, LONG_ONLY = 256 };

/* The flags of a verb, --config before them where it has one. */
struct forms {
	struct flag list[FLAGS_MAX];
	size_t n;
};

static struct forms
forms_of(const struct verb *verb)
{
	static const struct flag config = {"config", 'c', FLAG_TEXT, "FILE",
		"configuration (else $TROTLINE_CONFIG, else ./trotline.yaml)", .at = SIZE_MAX};
	struct forms forms = {.n = 0};

	if (verb->actions->config != WITHOUT_CONFIG)
		forms.list[forms.n++] = config;
	for (const struct flag *f = verb->flags; f && f->name; f++)
		forms.list[forms.n++] = *f;
	return forms;
}

static int
flag_code(const struct forms *forms, size_t i)
{
	return forms->list[i].letter ? forms->list[i].letter : LONG_ONLY + (int)i;
}

static void
print_flag(const struct flag *f)
{
	char form[64];

	snprintf(form, sizeof form, "--%s%s%s", f->name, f->argument ? " " : "",
		f->argument ? f->argument : "");
	if (f->letter)
		printf("  -%c, %-20s %s", f->letter, form, f->help);
	else
		printf("      %-20s %s", form, f->help);
	if (f->fallback)
		printf(" (%s)", f->fallback);
	putchar('\n');
}

const char *
cli_arguments(const struct verb *verb, char out[CLI_ARGUMENTS_MAX])
{
	*out = 0;
	for (const struct action *a = verb->actions; a->name; a++) {
		strcat(out, a == verb->actions ? "" : "|");
		strcat(out, a->name);
	}
	strcat(out, *out && verb->arguments ? " " : "");
	return strcat(out, verb->arguments ? verb->arguments : "");
}

static void
print_help(const struct verb *verb, const struct forms *forms)
{
	char arguments[CLI_ARGUMENTS_MAX];

	cli_arguments(verb, arguments);
	printf("usage: trotline %s [flags]%s%s\n\n%s.\n\n", verb->name, *arguments ? " " : "",
		arguments, verb->summary);
	for (size_t i = 0; i < forms->n; i++)
		print_flag(&forms->list[i]);
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
take_flag(struct call *call, const struct flag *f, const char *value)
{
	const struct verb *verb = call->verb;
	void *to = f->at == SIZE_MAX ? (void *)&call->path : (char *)call->options + f->at;
	struct flag_list *list = to;
	char *end;

	switch (f->kind) {
	case FLAG_SWITCH:
		*(bool *)to = true;
		return -1;
	case FLAG_TEXT:
		*(const char **)to = value;
		return -1;
	case FLAG_NUMBER:
		*(uint64_t *)to = strtoul(value, &end, 10);
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
fill_forms(const struct forms *forms, struct option *longs, char *shorts)
{
	*shorts++ = ':';
	for (size_t i = 0; i < forms->n; i++) {
		const struct flag *f = &forms->list[i];
		int takes = f->argument ? required_argument : no_argument;

		*longs++ = (struct option){f->name, takes, NULL, flag_code(forms, i)};
		if (f->letter)
			*shorts++ = f->letter;
		if (f->letter && f->argument)
			*shorts++ = ':';
	}
	*longs++ = (struct option){"help", no_argument, NULL, 'h'};
	*longs = (struct option){0};
	*shorts++ = 'h';
	*shorts = '\0';
}

static int
unknown_flag(const struct verb *verb, const struct forms *forms, const char *given)
{
	char word[64], hint[NEAR_BYTES];
	struct near near = {.word = word};

	snprintf(word, sizeof word, "%s", given + strspn(given, "-"));
	word[strcspn(word, "=")] = '\0';
	for (size_t i = 0; i < forms->n; i++)
		near_try(&near, forms->list[i].name);
	return cli_wrong_use(verb, "unknown flag %s%s", given, near_hint(&near, hint));
}

static int
refuse_flag(const struct verb *verb, const struct forms *forms, int code, char **argv)
{
	const char *given = argv[optind - 1];

	if (code == ':')
		return cli_wrong_use(verb, "%s needs a value", given);
	if (optopt > ' ' && optopt < LONG_ONLY && strncmp(given, "--", 2) != 0)
		return cli_wrong_use(verb, "unknown flag -%c", optopt);
	return unknown_flag(verb, forms, given);
}

/* How many arguments these names ask for: a word in brackets may be left out, one with dots may
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
	char names[CLI_ARGUMENTS_MAX];
	struct slice missing = {"", 0};
	size_t least, most;

	count_wanted(cli_arguments(verb, names), rest->n, &least, &most, &missing);
	if (rest->n < least)
		return cli_wrong_use(verb, "%.*s is missing", SLICE_ARG(missing));
	if (rest->n > most)
		return cli_wrong_use(verb, "\"%s\" is one argument too many", rest->list[most]);
	return -1;
}

/* What is not given is as its row says. */
static void
take_fallbacks(struct call *call, const struct forms *forms)
{
	for (size_t i = 0; i < forms->n; i++)
		if (forms->list[i].fallback)
			take_flag(call, &forms->list[i], forms->list[i].fallback);
}

int
cli_flags(struct call *call, int argc, char **argv)
{
	const struct forms forms = forms_of(call->verb);
	struct option longs[FLAGS_MAX + 2];
	char shorts[2 * FLAGS_MAX + 4];
	int code, status = -1;

	take_fallbacks(call, &forms);
	fill_forms(&forms, longs, shorts);
	while (status < 0 && (code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		size_t i = 0;

		while (i < forms.n && flag_code(&forms, i) != code)
			i++;
		if (i < forms.n)
			status = take_flag(call, &forms.list[i], optarg);
		else if (code == 'h') {
			print_help(call->verb, &forms);
			return CLI_DONE;
		} else
			status = refuse_flag(call->verb, &forms, code, argv);
	}
	call->rest = (struct arguments){argv + optind, (size_t)(argc - optind)};
	return status < 0 ? check_rest(call->verb, &call->rest) : status;
}

int
cli_failed(const struct verb *verb, const struct error *why)
{
	fprintf(stderr, "trotline %s: ", verb->name);
	text_print_to(stderr, slice_of(why->text), 0);
	fputc('\n', stderr);
	return CLI_FAILED;
}
