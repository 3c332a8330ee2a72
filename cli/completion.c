/* completion - shell completion, from the help texts at the time of asking: never out of date. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "proto/processes.h"
#include "proto/providers.h"
#include "proto/types.h"
#include "proto/unread.h"

static const char bash[] =
	"_trotline() {\n"
	"\tlocal word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} words\n"
	"\tlocal before=${COMP_WORDS[COMP_CWORD-1]}\n"
	"\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	"\t\twords=$(\"$1\" --help 2>/dev/null | sed -n 's/^  \\([a-z][a-z]*\\) .*/\\1/p')\n"
	"\telif words=$(\"$1\" completion bash -- \"$verb\" \"${COMP_WORDS[COMP_CWORD - 1]}\" 2>/dev/null); then\n"
	"\t\t:\n"
	"\telif [[ $before == --[a-z]* && $word != -* ]]; then\n"
	"\t\twords=$(\"$1\" \"$verb\" --help 2>/dev/null |\n"
	"\t\t\tsed -n \"s/^ .* $before \\([a-z]*|[a-z|]*\\) .*/\\1/p\" | tr '|' ' ')\n"
	"\telif [[ $word == -* ]]; then\n"
	"\t\twords=$(\"$1\" \"$verb\" --help 2>/dev/null |\n"
	"\t\t\tsed -n 's/^  \\(-[a-zA-Z],\\|   \\) \\(--[a-z-]*\\).*/\\2/p')\n"
	"\telse\n"
	"\t\twords=$(\"$1\" \"$verb\" --help 2>/dev/null |\n"
	"\t\t\tsed -n 's/^usage: .* \\([a-z]*|[a-z|]*\\).*/\\1/p' | tr '|' ' ')\n"
	"\tfi\n"
	"\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
	"}\n"
	"complete -o default -F _trotline trotline\n";

static const char zsh[] =
	"#compdef trotline\n"
	"_trotline() {\n"
	"\tlocal -a choices\n"
	"\tif (( CURRENT == 2 )); then\n"
	"\t\tchoices=(${(f)\"$($words[1] --help 2>/dev/null |\n"
	"\t\t\tsed -n 's/^  \\([a-z][a-z]*\\)  *\\(.*\\)/\\1:\\2/p')\"})\n"
	"\t\t_describe verb choices\n"
	"\telif choices=(${(f)\"$($words[1] completion zsh -- $words[2] $words[CURRENT-1] 2>/dev/null)\"}) && (( $#choices )); then\n"
	"\t\tcompadd -a choices\n"
	"\telif [[ $words[CURRENT-1] == --[a-z]* && $PREFIX != -* ]]; then\n"
	"\t\tchoices=(${(s: :)\"$($words[1] $words[2] --help 2>/dev/null |\n"
	"\t\t\tsed -n \"s/^ .* $words[CURRENT-1] \\([a-z]*|[a-z|]*\\) .*/\\1/p\" | tr '|' ' ')\"})\n"
	"\t\tif (( $#choices )); then compadd -a choices; else _files; fi\n"
	"\telif [[ $PREFIX == -* ]]; then\n"
	"\t\tchoices=(${(f)\"$($words[1] $words[2] --help 2>/dev/null |\n"
	"\t\t\tsed -n 's/^  \\(-[a-zA-Z],\\|   \\) \\(--[a-z-]*\\)[ A-Z=]*\\(.*\\)/\\2:\\3/p')\"})\n"
	"\t\t_describe flag choices\n"
	"\telse\n"
	"\t\tchoices=(${(s: :)\"$($words[1] $words[2] --help 2>/dev/null |\n"
	"\t\t\tsed -n 's/^usage: .* \\([a-z]*|[a-z|]*\\).*/\\1/p' | tr '|' ' ')\"})\n"
	"\t\tif (( $#choices )); then compadd -a choices; else _files; fi\n"
	"\tfi\n"
	"}\n"
	"compdef _trotline trotline\n";

static const char fish[] =
	"function __trotline_verbs\n"
	"\ttrotline --help 2>/dev/null | "
	"string replace -rf '^  ([a-z]+) +(?:[A-Z|a-z]+ +)?(.*)' '$1\\t$2'\n"
	"end\n"
	"function __trotline_flags\n"
	"\tset -l words (commandline -opc)\n"
	"\ttrotline $words[2] --help 2>/dev/null | "
	"string replace -rf '^  (?:-[a-zA-Z],|   ) (--[a-z-]+)(?: [A-Z=]+)? +(.*)' '$1\\t$2'\n"
	"end\n"
	"function __trotline_choices\n"
	"\tset -l words (commandline -opc)\n"
	"\ttrotline $words[2] --help 2>/dev/null | "
	"string replace -rf '^usage: .* ([a-z]+\\|[a-z|]+).*' '$1' | string split '|'\n"
	"end\n"
	"function __trotline_values\n"
	"\tset -l words (commandline -opc)\n"
	"\ttrotline completion fish -- $words[2] $words[-1] 2>/dev/null; and return\n"
	"\tstring match -qr -- '^--[a-z]' $words[-1]; or return\n"
	"\ttrotline $words[2] --help 2>/dev/null | "
	"string replace -rf \"^ .* $words[-1] ([a-z]+\\|[a-z|]+) .*\" '$1' | string split '|'\n"
	"end\n"
	"complete -c trotline -n __fish_use_subcommand -f -a '(__trotline_verbs)'\n"
	"complete -c trotline -n 'not __fish_use_subcommand' -a '(__trotline_values)'\n"
	"complete -c trotline -n 'not __fish_use_subcommand' -a '(__trotline_choices)'\n"
	"complete -c trotline -n 'not __fish_use_subcommand; and string match -q -- \"-*\" "
	"(commandline -ct)' -f -a '(__trotline_flags)'\n";

/* ---- values of flags ---- */

static void
put_types(void)
{
	for (size_t i = 0; i < event_types_count; i++)
		puts(event_types[i].name);
}

static void
put_providers(void)
{
	for (size_t i = 0; i < provider_names_count; i++)
		puts(provider_names[i]);
}

/* Of the configuration that is taken without -c, where there is one. */
static void
put_sources(void)
{
	struct config *cfg = config_load(config_path(NULL), CONFIG_LOOK, NULL);

	for (size_t i = 0; cfg && i < cfg->sources_count; i++)
		puts(cfg->sources[i].name);
	config_destroy(&cfg);
}

static void
put_destinations(void)
{
	struct config *cfg = config_load(config_path(NULL), CONFIG_LOOK, NULL);

	for (size_t i = 0; cfg && i < cfg->forward_count; i++)
		puts(cfg->forward[i].name);
	config_destroy(&cfg);
}

static void
put_stages(void)
{
	for (size_t i = 0; i < PROCESSES_COUNT; i++)
		if (process_table[i].count != COUNT_HANDLERS)
			puts(process_table[i].name);
	for (size_t i = 0; i < event_types_count; i++)
		if (i == 0 || strcmp(event_types[i].handler, event_types[i - 1].handler) != 0)
			printf("handler-%s\n", event_types[i].handler);
}

/* Each is followed by the name of a destination; with the words of `forward dlq`. */
#define FORWARD_ACTIONS(X)                                                                         \
	X("show")                                                                                  \
	X("test")                                                                                  \
	X("pause")                                                                                 \
	X("resume")                                                                                \
	X("enable")                                                                                \
	X("forget")                                                                                \
	X("rotate")                                                                                \
	X("attempts") X("skip") X("list") X("replay") X("drop") X("export")
#define DESTINATION_AFTER(action) {"forward", action, NULL, NULL, put_destinations},

#define REASON_WORD(name, word, news, stale, meaning) word " "

/* What may follow a flag, or the verb itself. */
static const struct {
	const char *verb; /* NULL: any */
	const char *after, *letter;
	const char *words; /* with a blank between them; NULL: put prints them */
	void (*put)(void);
} values[] = {
	{NULL, "--type", "-t", NULL, put_types},
	{NULL, "--provider", "-p", NULL, put_providers},
	{NULL, "--source", "-s", NULL, put_sources},
	{NULL, "--stage", NULL, NULL, put_stages},
	{"restart", "restart", NULL, NULL, put_stages},
	{"replay", "--to", NULL, NULL, put_destinations},
	{"replay", "replay", NULL, "--to list show pause resume stop", NULL},
	{"forward", "--to", NULL, "1h 24h 7d today yesterday", NULL},
	{"forward", "dlq", NULL, "list show replay drop export", NULL},
	FORWARD_ACTIONS(DESTINATION_AFTER){
		"tap", "--kind", "-k", "event verdict advice stats refused", NULL},
	{"tap", "--verdict", "-v", "done retry dead later", NULL},
	{"unread", "--reason", "-r", UNREAD_REASONS(REASON_WORD), NULL},
	{"verify", "--scheme", NULL, "hmac stripe standard-webhooks basic bearer header", NULL},
	{NULL, "--since", NULL, "1h 24h 7d today yesterday", NULL},
	{NULL, "--until", NULL, "1h 24h 7d today yesterday", NULL},
};

static void
put_words(const char *words)
{
	for (; *words; words += strspn(words, " ")) {
		const size_t n = strcspn(words, " ");

		printf("%.*s\n", (int)n, words);
		words += n;
	}
}

/* One a line; exits 1 where there are none to be told. */
static int
print_values(const char *verb, const char *after)
{
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		if ((values[i].verb && strcmp(values[i].verb, verb) != 0) ||
			(strcmp(values[i].after, after) != 0 &&
				(!values[i].letter || strcmp(values[i].letter, after) != 0)))
			continue;
		if (values[i].words)
			put_words(values[i].words);
		else
			values[i].put();
		return CLI_DONE;
	}
	return CLI_FAILED;
}

static int
run(struct call *call)
{
	static const struct {
		const char *name, *script;
	} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
	const char *shell = call->rest.list[0];

	if (call->rest.n == 3)
		return print_values(call->rest.list[1], call->rest.list[2]);

	for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
		if (strcmp(shell, shells[i].name) == 0)
			return fputs(shells[i].script, stdout) < 0 ? CLI_FAILED : CLI_DONE;
	return cli_wrong_use(call->verb, "\"%s\" is no shell; known: bash, zsh, fish", shell);
}

const struct verb verb_completion = {
	.name = "completion",
	.arguments = "bash|zsh|fish [VERB] [FLAG]",
	.summary = "Print the shell's completion of this command line",
	.details =
		"  bash  source <(trotline completion bash)\n"
		"  zsh   source <(trotline completion zsh)\n"
		"  fish  trotline completion fish | source\n\n"
		"With VERB and FLAG it prints the values that may follow, which the scripts ask for.\n",
	.actions = (const struct action[]){{.run = run}},
};
