/* history_view - who looks: the folder's names, and what is known of its files from before. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "history_look_private.h"

static bool
is_there(const char *folder)
{
	char path[PATH_ROOM];

	snprintf(path, sizeof path, "%s/key", folder);
	return access(path, F_OK) == 0;
}

struct history_view *
history_watch(const char *folder, bool *exists, struct error *why)
{
	struct history_view *v;

	*exists = is_there(folder);
	if (!*exists) {
		error_set(why, "there is no history in %s yet", folder);
		return NULL;
	}
	v = calloc(1, sizeof *v);
	if (!v) {
		error_set(why, "out of memory");
		return NULL;
	}
	snprintf(v->folder, sizeof v->folder, "%s", folder);
	v->hasher = hasher_open(folder, false, why);
	if (!v->hasher)
		history_view_close(&v);
	return v;
}

void
history_view_close(struct history_view **v)
{
	if (!*v)
		return;
	hasher_close(&(*v)->hasher);
	names_free(&(*v)->names);
	free((*v)->seen);
	free(*v);
	*v = NULL;
}

static bool
is_same(const struct segment_name *a, const struct segment_name *b)
{
	return a->first == b->first && a->last == b->last;
}

const struct facts *
view_facts(const struct history_view *v, const struct segment_name *name)
{
	size_t low = 0, high = v->n;

	while (low < high) {
		const size_t middle = (low + high) / 2;

		if (v->seen[middle].name.first < name->first)
			low = middle + 1;
		else
			high = middle;
	}
	return low < v->n && is_same(&v->seen[low].name, name) && v->seen[low].facts.events
		       ? &v->seen[low].facts
		       : NULL;
}

void
view_note(struct history_view *v, const struct segment *s)
{
	for (size_t i = 0; s->name.last && i < v->n; i++)
		if (is_same(&v->seen[i].name, &s->name))
			v->seen[i].facts = s->facts;
}

/* What was known of the files that are still there stays known. */
bool
view_list(struct history_view *v, struct error *why)
{
	struct known_segment *seen;
	const struct facts *facts;

	if (!names_list(v->folder, &v->names, NULL, NULL, why))
		return false;
	seen = calloc(v->names.n + 1, sizeof *seen);
	if (!seen)
		return error_set(why, "out of memory");
	for (size_t i = 0; i < v->names.n; i++) {
		seen[i].name = v->names.list[i];
		if ((facts = view_facts(v, &seen[i].name)))
			seen[i].facts = *facts;
	}
	free(v->seen);
	v->seen = seen;
	v->n = v->names.n;
	return true;
}

static bool
last_of(struct history_view *v, const struct segment_name *name, uint64_t *last, struct error *why)
{
	struct segment *s;
	enum block_found found;

	*last = name->last;
	if (*last)
		return true;
	s = segment_open(v->folder, name, SQL_WATCH, why);
	found = s ? segment_block_at(s, UINT64_MAX, why) : BLOCK_FAILED;
	*last = found == BLOCK_FOUND ? s->block.first + s->block.n - 1 : name->first - 1;
	segment_close(&s);
	return found != BLOCK_FAILED;
}

bool
history_range(struct history_view *v, uint64_t *first, uint64_t *last, struct error *why)
{
	*first = *last = 0;
	if (!view_list(v, why))
		return false;
	if (!v->names.n)
		return true;
	*first = v->names.list[0].first;
	if (!last_of(v, &v->names.list[v->names.n - 1], last, why))
		return false;
	if (*last < *first)
		*first = *last = 0;
	return true;
}

static bool
take_number(void *arg, const struct history_event *event)
{
	*(uint64_t *)arg = event->pos;
	return false;
}

bool
history_number_at(struct history_view *v, uint64_t ms, uint64_t *pos, struct error *why)
{
	const struct history_filter filter = {.since_ms = ms};
	struct history_query *q = history_query(v, &filter, why);
	struct history_look look = {.most = 1};
	uint64_t first, last;
	bool good = q && history_range(v, &first, &last, why);

	if (good) {
		*pos = last + 1;
		good = history_read(v, q, &look, take_number, pos, why);
	}
	history_query_free(&q);
	return good;
}
