/* top - `status`, live: redrawn every second until q or Ctrl-C.
 *
 * In: the stages' figures, keys. Out: the terminal, which is left as it was found. */
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"
#include "figures.h"
#include "interrupt.h"

enum { FIRST_MS = 1600, REDRAW_MS = 1000, ROWS = 24, COLUMNS = 80 };

/* Keys come one by one and unseen; the screen is a second one, so that the first stays. */
static bool
take_terminal(struct termios *before)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, before) != 0)
		return false;
	raw = *before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs("\033[?1049h\033[?25l", stdout);
	return true;
}

static void
give_terminal(const struct termios *before)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, before);
}

static void
draw(struct figures *f)
{
	struct winsize size = {.ws_row = ROWS, .ws_col = COLUMNS};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
		size = (struct winsize){.ws_row = ROWS, .ws_col = COLUMNS};
	fputs("\033[H", stdout);
	if (figures_heard(f) == 0)
		fputs("the pipeline is down\033[K\n", stdout);
	figures_print(f, stdout, size.ws_row - 2U, size.ws_col);
	fputs("\033[J\nq ends", stdout);
	fflush(stdout);
}

static bool
quits(void)
{
	char key;

	while (read(STDIN_FILENO, &key, 1) == 1)
		if (key == 'q' || key == 'Q' || key == 3 || key == 4)
			return true;
	return false;
}

static void
follow(struct figures *f)
{
	struct termios before;

	if (!take_terminal(&before)) {
		figures_print(f, stdout, 0, 0);
		return;
	}
	while (!interrupted && !ferror(stdout)) {
		draw(f);
		figures_listen(f, REDRAW_MS, STDIN_FILENO);
		if (quits())
			break;
	}
	give_terminal(&before);
}

/* One line a second. left 0: without end. */
static void
print_lines(struct figures *f, uint64_t left)
{
	do {
		figures_print_json(f);
		if (--left == 0)
			return;
		figures_listen(f, REDRAW_MS, -1);
	} while (!interrupted && !ferror(stdout));
}

static int
show(const struct verb *verb, const struct config *cfg, bool json, uint64_t count)
{
	struct error why = {""};
	struct figures *f = figures_new(cfg, &why);
	int status = CLI_DONE;

	if (!f)
		return cli_failed(verb, &why);
	interrupt_catch();
	interrupt_catch_one(SIGHUP); /* the terminal is put back */
	figures_listen(f, FIRST_MS, -1);
	if (figures_heard(f) == 0)
		status = cli_down(verb, cfg);
	else if (json)
		print_lines(f, count);
	else if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		follow(f);
	else
		figures_print(f, stdout, 0, 0);
	figures_destroy(&f);
	return status;
}

struct top_asked {
	uint64_t count;
	bool json;
};

static int
run(struct call *call)
{
	const struct top_asked *ask = call->options;

	return show(call->verb, call->cfg, ask->json, ask->count);
}

const struct verb verb_top = {
	.name = "top",
	.summary = "Follow `status` live in the terminal; q ends it",
	.details = "Where input or output is no terminal, it prints once and ends.\n",
	.flags =
		(const struct flag[]){
			{"json", 0, FLAG_SWITCH, NULL, "print one JSON object a second",
				FLAG_AT(top_asked, json)},
			{"count", 'n', FLAG_NUMBER, "N", "with --json: end after so many",
				FLAG_AT(top_asked, count)},
			{.name = NULL},
		},
	.options = sizeof(struct top_asked),
	.actions =
		(const struct action[]){
			{.config = PLAIN_CONFIG, .run = run},
		},
};
