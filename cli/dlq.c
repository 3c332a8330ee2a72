/* dlq - lists, shows, replays, drops and exports dead letters.
 *
 * In: the store of letters and, for a replay, the journal. Out: text or JSON lines; a replay moves
 * letters back into the journal. Works with the pipeline up or down. Keeps nothing; a kill in the
 * midst of a replay or a drop leaves whole letters on either side. */
#include "dlq.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/timestamp.h"

enum { PIECE = 256 };

/* One piece in one snapshot, which ends before anybody waits. */
struct piece {
	const struct dlq_request *rq;
	struct letters_place place;
	bool back, ended;
	uint64_t taken; /* letters that were meant */
	struct {
		struct dead dead;
		char *bytes; /* the texts and the event of `dead` */
	} letters[PIECE];
	size_t n;
};

/* A copy of what must outlive the snapshot, in one block. */
static bool
copy_letter(const struct dead *dead, struct dead *copy, char **bytes)
{
	struct slice *const parts[] = {&copy->journal, &copy->reason, &copy->handler, &copy->event};
	size_t n = 0;
	char *at;

	*copy = *dead;
	for (size_t i = 0; i < 4; i++)
		n += parts[i]->n;
	at = *bytes = malloc(n + 1);
	for (size_t i = 0; at && i < 4; i++) {
		if (parts[i]->n)
			memcpy(at, parts[i]->p, parts[i]->n);
		parts[i]->p = at;
		at += parts[i]->n;
	}
	return *bytes != NULL;
}

static bool
wants_more(const struct piece *p)
{
	return !p->ended && p->n < PIECE && !(p->rq->limit && p->taken == p->rq->limit);
}

static bool
gather(struct piece *p, struct letters *letters, struct error *why)
{
	struct letter letter;
	struct dead dead;
	msgpack_zone zone;
	bool good = true;

	p->n = 0;
	if (!letters_read_begin(letters, why))
		return false;
	msgpack_zone_init(&zone, 8192);
	while (good && wants_more(p)) {
		msgpack_zone_clear(&zone);
		p->ended = p->back ? !letters_previous(letters, &p->place, &dead)
				   : !letters_next(letters, &p->place, &dead);
		if (p->ended)
			break;
		letter_open(&dead, &zone, &letter);
		if (!letter_matches(&letter, &p->rq->filter))
			continue;
		good = copy_letter(&dead, &p->letters[p->n].dead, &p->letters[p->n].bytes) ||
		       error_set(why, "out of memory");
		p->n += good;
		p->taken += good;
	}
	msgpack_zone_destroy(&zone);
	letters_read_end(letters);
	return good;
}

/* Hands the piece on and frees it. False when fn has had enough. */
static bool
hand_on(struct piece *p, dlq_visit *fn, void *arg)
{
	struct letter letter;
	msgpack_zone zone;
	bool more = true;

	msgpack_zone_init(&zone, 8192);
	for (size_t i = 0; i < p->n; i++) {
		msgpack_zone_clear(&zone);
		letter_open(&p->letters[i].dead, &zone, &letter);
		more = more && fn(arg, &letter, &zone);
		free(p->letters[i].bytes);
	}
	msgpack_zone_destroy(&zone);
	return more;
}

bool
dlq_each(const struct dlq_request *rq, struct letters *letters, bool newest_first, dlq_visit *fn,
	void *arg, struct error *why)
{
	struct piece *p = calloc(1, sizeof *p);
	bool good;

	if (!p)
		return error_set(why, "out of memory");
	p->rq = rq;
	p->back = newest_first;
	do {
		good = gather(p, letters, why);
		if (!hand_on(p, fn, arg))
			break;
	} while (good && p->n == PIECE);
	free(p);
	return good;
}

int
dlq_nothing(const struct dlq_request *rq)
{
	struct error why;

	if (rq->filter.ids_count == 0) {
		if (!rq->json)
			fprintf(stderr, "trotline dlq: %s\n",
				rq->chosen ? "no dead letter is like that"
					   : "there are no dead letters");
		return CLI_DONE;
	}
	error_set(&why, "there is no letter %s%s", rq->filter.ids[0],
		rq->filter.ids_count > 1 ? ", nor any of the others" : "");
	return cli_failed(rq->verb, &why);
}

/* ---- the verb ---- */

static const struct {
	const char *name;
	int (*run)(const struct dlq_request *rq);
	bool moves; /* letters leave the store */
} actions[] = {
	{"list", dlq_list, false},
	{"show", dlq_show, false},
	{"replay", dlq_replay, true},
	{"drop", dlq_drop, true},
	{"export", dlq_export, false},
	{"stats", dlq_stats, false},
};
enum { ACTIONS = sizeof actions / sizeof *actions };

static int
act(struct dlq_request *rq, const struct arguments *rest)
{
	for (size_t i = 0; i < ACTIONS; i++) {
		if (strcmp(actions[i].name, rest->list[0]) != 0)
			continue;
		if (actions[i].moves && !rq->chosen && !rq->all)
			return cli_wrong_use(rq->verb,
				"%s which letters? Give an ID, a filter, or --all",
				actions[i].name);
		if (rq->dry_run && !actions[i].moves)
			return cli_wrong_use(rq->verb, "--dry-run goes with replay and drop only");
		return actions[i].run(rq);
	}
	return cli_wrong_use(rq->verb, "\"%s\" is none of %s", rest->list[0],
		"list, show, replay, drop, export, stats");
}

static bool
take_time(const char *flag, const char *text, uint64_t *ms, struct error *why)
{
	return !text || timestamp_read(text, clock_wall_ms(), ms, why) ||
	       error_wrap(why, "%s", flag);
}

static int
with_config(struct dlq_request *rq, const char *config, const struct arguments *rest)
{
	struct config *cfg = cli_config(rq->verb, config, CONFIG_NO_SECRETS);
	int status;

	if (!cfg)
		return CLI_BAD_CONFIG;
	rq->cfg = cfg;
	status = act(rq, rest);
	config_destroy(&cfg);
	return status;
}

static int
run(const struct verb *verb, int argc, char **argv)
{
	const char *config = NULL, *since = NULL, *until = NULL;
	struct dlq_request rq = {.verb = verb};
	struct letter_filter *f = &rq.filter;
	const struct flag flags[] = {
		FLAG_CONFIG(&config),
		{"type", 't', FLAG_TEXT, "TYPE", "only this event type; * and ? match", &f->type},
		{"source", 's', FLAG_TEXT, "NAME", "only from this source", &f->source},
		{"since", 0, FLAG_TEXT, "TIME", "only what failed from then on", &since},
		{"until", 0, FLAG_TEXT, "TIME", "only what failed before then", &until},
		{"reason", 'r', FLAG_TEXT, "TEXT", "only with this in the reason", &f->reason},
		{"limit", 'n', FLAG_NUMBER, "N", "at most so many (list on a terminal: 100)",
			&rq.limit},
		{"all", 0, FLAG_SWITCH, NULL, "replay, drop: all that there are", &rq.all},
		{"dry-run", 0, FLAG_SWITCH, NULL, "replay, drop: only say how many", &rq.dry_run},
		{"yes", 'y', FLAG_SWITCH, NULL, "replay, drop: do not ask", &rq.yes},
		{"rate", 0, FLAG_NUMBER, "N", "replay: at most so many a second (500)", &rq.rate},
		{"output", 'o', FLAG_TEXT, "FILE", "export: into this new file, mode 0600",
			&rq.output},
		{"events", 0, FLAG_SWITCH, NULL,
			"export: one JSON array of the events alone, as `send --batch` takes it",
			&rq.events},
		{"json", 0, FLAG_SWITCH, NULL, "print JSON, one object a line", &rq.json},
	};
	struct error why = {""};
	struct arguments rest;
	int status = cli_flags(verb, flags, sizeof flags / sizeof *flags, argc, argv, &rest);

	if (status >= 0)
		return status;
	if (!take_time("--since", since, &f->since_ms, &why) ||
		!take_time("--until", until, &f->until_ms, &why))
		return cli_wrong_use(verb, "%s", why.text);
	f->ids = (const char *const *)rest.list + 1;
	f->ids_count = rest.n - 1;
	rq.chosen = f->ids_count || f->type || f->source || since || until || f->reason;
	return with_config(&rq, config, &rest);
}

const struct verb verb_dlq = {
	"dlq",
	"list|show|replay|drop|export|stats [ID ...]",
	"List, explain, replay, drop or export dead letters",
	"list    the newest events first, whenever they failed, one a line; --since for what "
	"failed\n"
	"        lately\n"
	"show    all about each: the record and the webhook as it came\n"
	"replay  back to their handlers, with all their tries; what was applied is not applied\n"
	"        again. Letters of another journal than this data_dir's cannot go back under "
	"their\n"
	"        numbers: export them with --events, and post the file with `trotline send "
	"--batch`\n"
	"drop    away for good; `trotline event` still says that they were dropped\n"
	"export  the whole records as JSON lines\n"
	"stats   how many, of what, and why\n\n"
	"ID is a letter's name (LETTER in the list) or the sender's event id. TIME is written\n"
	"2026-01-02T03:04:05Z, as seconds since 1970, or as a time ago such as 90s, 2h or 7d.\n"
	"replay and drop say how many letters are meant and ask, unless it is one that was named.\n"
	"Works with the pipeline up or down. Exits 0, or 1 when none of the letters that were "
	"named\n"
	"is there, something could not be replayed, or the answer was no.\n\n"
	"  trotline dlq list --type 'email_*' --since 2h\n"
	"  trotline dlq replay --reason \"database is locked\" --yes\n",
	run,
};
