/* fsck_history - the history's files: every event and every index of them. Where somebody seals or merges
 * meanwhile, a fault counts only when a second look finds it too. */
#include <stdio.h>
#include <string.h>

#include "fsck_private.h"
#include "history.h"

enum { FAULTS_MAX = 64 };

struct faults {
	char list[FAULTS_MAX][128];
	size_t n;
};

static void
take(void *arg, const char *file, const char *fault)
{
	struct faults *in = arg;

	if (in->n < FAULTS_MAX)
		snprintf(in->list[in->n++], sizeof *in->list, "%s: %s", file, fault);
}

static bool
has(const struct faults *in, const char *fault)
{
	for (size_t i = 0; i < in->n; i++)
		if (strcmp(in->list[i], fault) == 0)
			return true;
	return false;
}

static bool
look(struct fsck *f, struct history_view *view, struct faults *found)
{
	struct error why = {""};

	fsck_progress(f, "history", 0, 0);
	if (history_check(view, take, found, &why))
		return true;
	if (found->n == 0)
		take(found, "history", why.text);
	return false;
}

bool
fsck_history(struct fsck *f, struct error *why)
{
	struct faults first = {.n = 0}, second = {.n = 0};
	struct history_view *view;
	char folder[4096];
	bool exists = false;

	snprintf(folder, sizeof folder, "%s/history", f->cfg->data_dir);
	view = config_keeps_history(f->cfg) ? history_watch(folder, &exists, why) : NULL;
	if (!view)
		return !config_keeps_history(f->cfg) || !exists;
	if (!look(f, view, &first) && !look(f, view, &second))
		for (size_t i = 0; i < second.n; i++)
			if (has(&first, second.list[i]))
				fsck_find(f, FSCK_HISTORY_BAD, 0, 0, "%s", second.list[i]);
	history_view_close(&view);
	return true;
}
