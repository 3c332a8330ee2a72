/* completion - shell completion, from the help texts at the time of asking: never out of date. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const char bash[] =
	"_trotline() {\n"
	"\tlocal word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} words\n"
	"\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	"\t\twords=$(\"$1\" --help 2>/dev/null | sed -n 's/^  \\([a-z][a-z]*\\) .*/\\1/p')\n"
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
	"complete -c trotline -n __fish_use_subcommand -f -a '(__trotline_verbs)'\n"
	"complete -c trotline -n 'not __fish_use_subcommand' -a '(__trotline_choices)'\n"
	"complete -c trotline -n 'not __fish_use_subcommand; and string match -q -- \"-*\" "
	"(commandline -ct)' -f -a '(__trotline_flags)'\n";

static int
run(struct call *call)
{
	static const struct {
		const char *name, *script;
	} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
	const char *shell = call->rest.list[0];

	for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
		if (strcmp(shell, shells[i].name) == 0)
			return fputs(shells[i].script, stdout) < 0 ? CLI_FAILED : CLI_DONE;
	return cli_wrong_use(call->verb, "\"%s\" is no shell; known: bash, zsh, fish", shell);
}

const struct verb verb_completion = {
	.name = "completion",
	.arguments = "bash|zsh|fish",
	.summary = "Print the shell's completion of this command line",
	.details = "  bash  source <(trotline completion bash)\n"
		   "  zsh   source <(trotline completion zsh)\n"
		   "  fish  trotline completion fish | source\n",
	.actions = (const struct action[]){{.run = run}},
};
