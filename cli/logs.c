/* logs - the stages' logs as one, in the order of time; those of one event alone; and what comes.
 *
 * In: data_dir/log, the last file of each process and the one before it. Out: the lines as they are. Only
 * reads, so it also works while the pipeline is down. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "cli.h"
#include "interrupt.h"
#include "lib/ops/event_places.h"
#include "text.h"

enum { FILES_MAX = 1024, STEP_MS = 200, TIME_BYTES = 27, PATH_BYTES = 4096 };

struct log_file {
	char *path;
	ino_t inode;
	off_t read; /* how far */
};

struct line {
	char *text;
	size_t order; /* of those with the same time */
};

struct logs {
	const char *stage;
	uint64_t most;
	bool follow;
	/* of the ID that is asked for: */
	const char *id;
	struct event_places places;
	struct log_file files[FILES_MAX];
	size_t files_count;
	struct line *lines;
	size_t count, room;
};

/* ---- which lines ---- */

/* "key=value" as a field of the line, plain or quoted. */
static bool
has_field(const char *line, const char *key, const char *value)
{
	const size_t k = strlen(key), v = strlen(value);

	for (const char *at = line; (at = strstr(at, key)); at++) {
		const char *from = at + k;

		if (at != line && at[-1] != ' ')
			continue;
		from += *from == '"';
		if (strncmp(from, value, v) == 0 && strchr(" \"\n", from[v]))
			return true;
	}
	return false;
}

static bool
is_wanted(const struct logs *l, const char *line)
{
	char seq[24];

	if (!l->id || has_field(line, "id=", l->id))
		return true;
	for (size_t i = 0; i < l->places.n; i++) {
		snprintf(seq, sizeof seq, "%llu", (unsigned long long)l->places.list[i].at.seq);
		if (has_field(line, "seq=", seq))
			return true;
	}
	return false;
}

static bool
keep(struct logs *l, const char *line)
{
	if (l->count == l->room) {
		const size_t room = l->room ? 2 * l->room : 1024;
		struct line *more = realloc(l->lines, room * sizeof *more);

		if (!more)
			return false;
		l->lines = more;
		l->room = room;
	}
	l->lines[l->count] = (struct line){strdup(line), l->count};
	if (!l->lines[l->count].text)
		return false;
	l->count++;
	return true;
}

/* Of the lines from `from` on the last ones only: a file may be long. */
static void
keep_last(struct logs *l, size_t from, size_t most)
{
	const size_t n = l->count - from, more = most && n > most ? n - most : 0;

	for (size_t i = 0; i < more; i++)
		free(l->lines[from + i].text);
	if (more)
		memmove(&l->lines[from], &l->lines[from + more], most * sizeof *l->lines);
	l->count -= more;
}

/* ---- files ---- */

/* "validator.0.log" */
static bool
is_log(const struct logs *l, const char *name)
{
	const char *tail = strstr(name, ".log");
	const size_t n = l->stage ? strlen(l->stage) : 0;
	const char *from = name;

	if (!tail || tail[4] || strncmp(name, "supervisord", 11) == 0)
		return false;
	if (l->stage && strncmp(name, "handler-", 8) == 0 && strncmp(l->stage, "handler-", 8) != 0)
		from += 8;
	return !l->stage || (strncmp(from, l->stage, n) == 0 && from[n] == '.');
}

static int
compare_names(const void *a, const void *b)
{
	return -strcmp(((const struct log_file *)a)->path, ((const struct log_file *)b)->path);
}

static void
add_file(struct logs *l, const char *folder, const char *name, const char *end)
{
	if (l->files_count < FILES_MAX &&
		asprintf(&l->files[l->files_count].path, "%s/%s%s", folder, name, end) > 0)
		l->files_count++;
}

/* Each with the one before it, also where there is none yet: there will be. */
static bool
find_files(struct logs *l, const char *data_dir, struct error *why)
{
	char folder[PATH_BYTES];
	struct dirent *entry;
	DIR *dir;

	snprintf(folder, sizeof folder, "%s/log", data_dir);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir)))
		if (is_log(l, entry->d_name)) {
			add_file(l, folder, entry->d_name, ".1");
			add_file(l, folder, entry->d_name, "");
		}
	if (dir)
		closedir(dir);
	/* The older one of two before the newer one. */
	qsort(l->files, l->files_count, sizeof *l->files, compare_names);
	return l->files_count ||
	       error_set(why,
		       "there is no log%s%s in %s; under systemd: journalctl -u 'trotline-*'",
		       l->stage ? " of stage " : "", l->stage ? l->stage : "", folder);
}

/* A file keeps its place when it gets another name; one that has become shorter is a new one. */
static void
find_place(const struct logs *l, struct log_file *file, const struct stat *st)
{
	off_t read = st->st_ino == file->inode ? file->read : 0;

	for (size_t i = 0; st->st_ino != file->inode && i < l->files_count; i++)
		if (l->files[i].inode == st->st_ino)
			read = l->files[i].read;
	file->inode = st->st_ino;
	file->read = read <= st->st_size ? read : 0;
}

/* Whole lines only: the rest of one comes with the next look. */
static bool
read_on(struct logs *l, struct log_file *file)
{
	FILE *f = fopen(file->path, "re");
	char *line = NULL;
	size_t room = 0;
	struct stat st;
	ssize_t n;
	bool good = true;

	if (!f)
		return true;
	if (fstat(fileno(f), &st) == 0)
		find_place(l, file, &st);
	fseeko(f, file->read, SEEK_SET);
	while (good && (n = getline(&line, &room, f)) > 0 && line[n - 1] == '\n') {
		file->read += n;
		if (is_wanted(l, line))
			good = keep(l, line);
	}
	free(line);
	fclose(f);
	return good;
}

/* ---- out ---- */

static int
compare_times(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	const int times = strncmp(x->text, y->text, TIME_BYTES);

	if (times)
		return times;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void
print_lines(struct logs *l, size_t most)
{
	const size_t from = most && l->count > most ? l->count - most : 0;

	if (l->count > 0)
		qsort(l->lines, l->count, sizeof *l->lines, compare_times);
	for (size_t i = 0; i < l->count; i++) {
		const size_t n = strlen(l->lines[i].text);

		if (i >= from) {
			text_print((struct slice){l->lines[i].text, n - 1}, 0);
			putchar('\n');
		}
		free(l->lines[i].text);
	}
	l->count = 0;
	fflush(stdout);
}

static bool
look(struct logs *l, size_t most)
{
	bool good = true;

	for (size_t i = 0; good && i < l->files_count; i++) {
		const size_t from = l->count;

		good = read_on(l, &l->files[i]);
		keep_last(l, from, most);
	}
	print_lines(l, most);
	return good;
}

static int
run(struct call *call)
{
	const struct timespec step = {0, STEP_MS * 1000000L};
	struct logs *l = call->options;
	const struct event_query q = {.cfg = call->cfg,
		.journal = call->journal,
		.letters = call->letters,
		.state = call->state,
		.thorough = true};
	struct error why = {"out of memory"};
	bool good;

	l->id = call->rest.n ? call->rest.list[0] : NULL;
	if (l->id && call->journal && !event_places_find(&q, slice_of(l->id), &l->places, &why))
		return cli_failed(call->verb, &why);
	if (!find_files(l, call->cfg->data_dir, &why))
		return cli_failed(call->verb, &why);
	interrupt_catch();
	good = look(l, l->id && l->most == 0 ? 0 : l->most ? l->most : 100);
	while (good && l->follow && !interrupted && !ferror(stdout)) {
		nanosleep(&step, NULL);
		good = look(l, 0);
	}
	for (size_t i = 0; i < l->files_count; i++)
		free(l->files[i].path);
	free(l->lines);
	return good ? CLI_DONE : cli_failed(call->verb, &why);
}

/* For all lines no store is needed. */
static int
check(struct call *call)
{
	if (call->rest.n == 0)
		call->action.journal = call->action.letters = call->action.state = STORE_UNUSED;
	return -1;
}

const struct verb verb_logs = {
	.name = "logs",
	.arguments = "[ID]",
	.summary = "Show the stages' logs as one, or those lines that are about one event",
	.details =
		"ID is any that `event` takes. Works while the pipeline is down. Where the stages write no\n"
		"log files (under systemd), it says where to look.\n\n"
		"  trotline logs --stage validator --lines 20\n",
	.flags =
		(const struct flag[]){
			{"follow", 'f', FLAG_SWITCH, NULL, "go on with what comes, until SIGINT",
				FLAG_AT(logs, follow)},
			{"stage", 0, FLAG_TEXT, "STAGE", "of this stage only, as `status` shows it",
				FLAG_AT(logs, stage)},
			{"lines", 'n', FLAG_NUMBER, "N", "the last N (100; of an ID all)",
				FLAG_AT(logs, most)},
			{.name = NULL},
		},
	.options = sizeof(struct logs),
	.actions =
		(const struct action[]){
			{CLI_WHERE_EVENTS_ARE, .check = check, .run = run},
		},
};
