/* fsck - verifies the journal, its index, the dead letters, what is unread and what is applied, and
 * mends on demand.
 *
 * In: the stores on disk. Out: each finding with what it means; a summary. A kill while mending
 * leaves whole groups mended. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "fsck_salvage.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/base/object.h"
#include "lib/config/advice.h"
#include "lib/store/fsck.h"
#include "proto/taker.h"

enum { SHOWN_MAX = 20, PROGRESS_MS = 200 };

struct check {
	bool repair, json;
	const char *salvage; /* into which file, or NULL */
	uint64_t shown[FSCK_KIND_COUNT];
	uint64_t told_ms; /* progress */
	struct fsck_sum sum;
	msgpack_zone zone;
	struct list findings;
};

/* LMDB maps its file: what is cut or mangled shows as a signal. */
static void
on_fault(int signum)
{
	static const char text[] =
		"\ntrotline fsck: a store's file is cut short or damaged beyond reading: stop the pipeline and put it back from a backup; of a journal, `trotline fsck --salvage FILE` saves what can be read\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);

	(void)n;
	(void)signum;
	_exit(CLI_FAILED);
}

static void
catch_faults(void)
{
	const struct sigaction act = {.sa_handler = on_fault};

	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGABRT, &act, NULL);
}

static void
clear_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static void
on_progress(void *arg, const char *store, uint64_t done, uint64_t total)
{
	struct check *c = arg;

	if (!isatty(STDERR_FILENO) || clock_mono_ms() < c->told_ms)
		return;
	c->told_ms = clock_mono_ms() + PROGRESS_MS;
	fprintf(stderr, "\r%-9s %llu", store, (unsigned long long)done);
	if (total)
		fprintf(stderr, " of %llu", (unsigned long long)total);
	fputs("\033[K", stderr);
}

static msgpack_object
finding_object(const struct fsck_finding *f, msgpack_zone *zone)
{
	const struct fsck_row *row = &fsck_table[f->kind];
	struct map m = map_in(zone);

	map_text(&m, "finding", slice_of(row->name));
	map_bool(&m, "fault", row->fault);
	if (f->seq)
		map_uint(&m, "seq", delivery_seq(f->seq));
	if (delivery_taker(f->seq) == TAKER_HISTORY)
		map_text(&m, "taker", slice_of(HISTORY_NAME));
	if (f->due_ms)
		map_time(&m, "due", f->due_ms);
	if (*f->detail)
		map_text(&m, "detail", slice_of(f->detail));
	map_text(&m, "meaning", slice_of(row->meaning));
	map_text(&m, "repair", slice_of(row->mend));
	return map_object(&m);
}

/* The first ones of a kind; the summary counts all. */
static void
on_finding(void *arg, const struct fsck_finding *f)
{
	const struct fsck_row *row = &fsck_table[f->kind];
	struct check *c = arg;

	if (c->shown[f->kind]++ >= SHOWN_MAX)
		return;
	if (c->json) {
		list_add(&c->findings, finding_object(f, &c->zone));
		return;
	}
	clear_progress();
	printf("%s %s", row->fault ? "FAULT" : "note ", row->name);
	if (f->seq)
		printf(" %llu%s", (unsigned long long)delivery_seq(f->seq),
			delivery_taker(f->seq) == TAKER_HISTORY ? " (" HISTORY_NAME ")" : "");
	printf("%s%s\n      %s\n", *f->detail ? ": " : "", f->detail, row->meaning);
}

static msgpack_object
counts_object(const uint64_t counts[FSCK_KIND_COUNT], msgpack_zone *zone)
{
	struct map m = map_in(zone);

	for (size_t i = 0; i < FSCK_KIND_COUNT; i++)
		if (counts[i])
			map_uint(&m, fsck_table[i].name, counts[i]);
	return map_object(&m);
}

/* The summary's counts, in the order in which they are told. */
static const struct {
	const char *name;
	size_t offset;
} sums[] = {
	{"accepted", offsetof(struct fsck_sum, accepted)},
	{"scheduled", offsetof(struct fsck_sum, scheduled)},
	{"given_up", offsetof(struct fsck_sum, given_up)},
	{"dead_letters", offsetof(struct fsck_sum, letters)},
	{"unread", offsetof(struct fsck_sum, unread)},
	{"remembered", offsetof(struct fsck_sum, remembered)},
	{"batches", offsetof(struct fsck_sum, batches)},
	{"applied", offsetof(struct fsck_sum, applied)},
	{"settled_but_for_history", offsetof(struct fsck_sum, settled)},
};

static uint64_t
sum_at(const struct fsck_sum *sum, size_t i)
{
	uint64_t value;

	memcpy(&value, (const char *)sum + sums[i].offset, sizeof value);
	return value;
}

static void
print_json(struct check *c)
{
	struct map m = map_in(&c->zone);
	msgpack_object all;

	map_bool(&m, "good", fsck_left(&c->sum) == 0);
	map_uint(&m, "faults_left", fsck_left(&c->sum));
	for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
		map_uint(&m, sums[i].name, sum_at(&c->sum, i));
	map_put(&m, "found", counts_object(c->sum.found, &c->zone));
	map_put(&m, "mended", counts_object(c->sum.mended, &c->zone));
	map_put(&m, "findings", list_object(&c->findings));
	all = map_object(&m);
	object_print(&all);
}

static void
print_kind(const struct check *c, size_t i)
{
	const uint64_t found = c->sum.found[i], mended = c->sum.mended[i];

	if (found > SHOWN_MAX)
		printf("      %s: %llu in all\n", fsck_table[i].name, (unsigned long long)found);
	if (mended)
		printf("mended %s, %llu times: %s\n", fsck_table[i].name,
			(unsigned long long)mended, fsck_table[i].mend);
}

static void
print_text(const struct check *c)
{
	const uint64_t left = fsck_left(&c->sum);
	uint64_t mendable = 0;
	char repair[ADVICE_BYTES];

	for (size_t i = 0; i < FSCK_KIND_COUNT; i++) {
		print_kind(c, i);
		mendable += fsck_table[i].mend ? c->sum.found[i] - c->sum.mended[i] : 0;
	}
	for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
		printf("%s%s %llu", i ? ", " : "", sums[i].name,
			(unsigned long long)sum_at(&c->sum, i));
	printf("\n%s", left ? "" : "good: every event stands in one state\n");
	if (left)
		printf("%llu faults\n", (unsigned long long)left);
	if (left && mendable)
		printf("%s mends what loses nothing\n",
			advice(ADVICE_FSCK_REPAIR, NULL, cli_config, repair));
}

static int
check(const struct verb *verb, const struct config *cfg, struct check *c)
{
	const struct fsck_calls calls = {c, on_finding, on_progress};
	struct error why = {""};
	bool whole;

	catch_faults();
	msgpack_zone_init(&c->zone, 8192);
	c->findings = list_in(&c->zone);
	whole = fsck_run(cfg, c->repair, &calls, &c->sum, &why);
	clear_progress();
	if (!whole)
		cli_failed(verb, &why);
	else if (c->json)
		print_json(c);
	else
		print_text(c);
	msgpack_zone_destroy(&c->zone);
	return whole && fsck_left(&c->sum) == 0 ? CLI_DONE : CLI_FAILED;
}

static int
run(struct call *call)
{
	const struct check *c = call->options;
	char up[ADVICE_BYTES];
	struct error why;

	if (c->salvage)
		return fsck_salvage(call->verb, call->cfg, c->salvage);
	if (!cli_was_started(call->cfg)) {
		error_set(&why,
			"the pipeline of %s was never started: there is no journal in %s; %s starts it",
			call->cfg->path, call->cfg->data_dir,
			advice(ADVICE_UP, NULL, cli_config, up));
		return cli_failed(call->verb, &why);
	}
	return check(call->verb, call->cfg, call->options);
}

const struct verb verb_fsck = {
	.name = "fsck",
	.summary =
		"Verify the journal, its index, the dead letters, what is unread and what is applied",
	.details =
		"Works while the pipeline runs, and while it does not. Prints each finding with what it\n"
		"means. Exits 0 when every event stands in one state (or was mended), otherwise 1.\n",
	.flags =
		(const struct flag[]){
			{"repair", 0, FLAG_SWITCH, NULL, "mend what loses nothing",
				FLAG_AT(check, repair)},
			{"salvage", 0, FLAG_TEXT, "FILE",
				"of a journal that cannot be opened: save the events that can be read, and have "
				"not ended, into this new file, as `send --batch` takes it",
				FLAG_AT(check, salvage)},
			{"json", 0, FLAG_SWITCH, NULL, "print one JSON object",
				FLAG_AT(check, json)},
			{.name = NULL},
		},
	.options = sizeof(struct check),
	.actions =
		(const struct action[]){
			{.config = PLAIN_CONFIG, .run = run},
		},
};
