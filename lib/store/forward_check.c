/* forward_check - is the file sound, and do its rows agree? */
#include <stdio.h>

#include "forward_private.h"

#define NO_DESTINATION " WHERE dest NOT IN (SELECT id FROM destination)"
#define COUNT_IS_NOT(table) " <> (SELECT count(*) FROM " table " AS t WHERE t.dest = d.id)"

/* X(what is wrong, the rows of which it is so) */
#define DISAGREEMENTS(X)                                                                           \
	X("owed without a destination", "owed" NO_DESTINATION)                                     \
	X("letters without a destination", "letter" NO_DESTINATION)                                \
	X("attempts without a destination", "attempt" NO_DESTINATION)                              \
	X("replays without a destination", "job" NO_DESTINATION)                                   \
	X("owed of a replay that is not there",                                                    \
		"owed WHERE job <> 0 AND job NOT IN (SELECT id FROM job)")                         \
	X("owed that end before they begin", "owed WHERE last < first")                            \
	X("owed that are still to come",                                                           \
		"owed AS o JOIN destination AS d ON d.id = o.dest"                                 \
		" WHERE o.job = 0 AND o.body IS NULL AND o.last >= d.next")                        \
	X("wrong counts of what is owed", "destination AS d WHERE d.owed" COUNT_IS_NOT("owed"))    \
	X("wrong counts of letters", "destination AS d WHERE d.letters" COUNT_IS_NOT("letter"))    \
	X("wrong counts of attempts", "destination AS d WHERE d.attempts" COUNT_IS_NOT("attempt")) \
	X("running replays beyond their end", "job WHERE state = 0 AND next > \"end\"")

#define DISAGREEMENT(what, rows) {what, "SELECT count(*) FROM " rows},
static const struct {
	const char *what, *sql;
} disagreements[] = {DISAGREEMENTS(DISAGREEMENT)};

struct faults {
	forward_fault *fn;
	void *arg;
	bool sound;
};

static void
tell(struct faults *faults, const char *fault)
{
	faults->sound = false;
	faults->fn(faults->arg, fault);
}

static bool
tell_row(void *arg, sqlite3_stmt *row)
{
	const struct slice said = forward_text(row, 0);

	if (!slice_is(said, "ok"))
		tell(arg, said.p ? said.p : "out of memory");
	return true;
}

static bool
agree(struct forward *f, struct faults *faults, struct error *why)
{
	char text[128];
	uint64_t n;

	for (size_t i = 0; i < sizeof disagreements / sizeof *disagreements; i++) {
		if (!forward_ask_number(f, disagreements[i].sql, NULL, 0, &n, NULL, why))
			return false;
		snprintf(
			text, sizeof text, "%llu %s", (unsigned long long)n, disagreements[i].what);
		if (n)
			tell(faults, text);
	}
	return true;
}

/* All as of one moment. */
bool
forward_check(struct forward *f, forward_fault *fn, void *arg, struct error *why)
{
	struct faults faults = {fn, arg, true};
	bool good = forward_run(f, "BEGIN", NULL, 0, NULL, why);

	good = good &&
	       forward_each(f, "PRAGMA integrity_check(10)", NULL, 0, tell_row, &faults, why);
	good = good && (!faults.sound || agree(f, &faults, why));
	forward_run(f, "END", NULL, 0, NULL, NULL);
	if (!good)
		tell(&faults, why->text);
	return faults.sound;
}
