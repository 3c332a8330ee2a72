/* fsck - see fsck.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "fsck_private.h"

#define FSCK_ROW(id, name, fault, mend, meaning) {name, fault, mend, meaning},
const struct fsck_row fsck_table[FSCK_KIND_COUNT] = {FSCK_KINDS(FSCK_ROW)};

static bool
keep(struct fsck *f, enum fsck_kind kind, uint64_t seq, uint64_t due_ms)
{
	struct fsck_suspect *more;

	if (f->count == FSCK_SUSPECTS_MAX)
		return false;
	if (f->count == f->room) {
		f->room = f->room ? 2 * f->room : 256;
		more = reallocarray(f->list, f->room, sizeof *more);
		if (!more)
			return false;
		f->list = more;
	}
	f->list[f->count++] = (struct fsck_suspect){kind, seq, due_ms};
	return true;
}

static void
tell(struct fsck *f, const struct fsck_finding *finding)
{
	f->sum->found[finding->kind]++;
	f->calls->finding(f->calls->arg, finding);
}

void
fsck_find(struct fsck *f, enum fsck_kind kind, uint64_t seq, uint64_t due_ms, const char *fmt, ...)
{
	struct fsck_finding finding = {.kind = kind, .seq = seq, .due_ms = due_ms};
	va_list args;

	va_start(args, fmt);
	vsnprintf(finding.detail, sizeof finding.detail, fmt, args);
	va_end(args);
	tell(f, &finding);
	if (fsck_table[kind].mend)
		keep(f, kind, seq, due_ms);
}

void
fsck_suspect(struct fsck *f, enum fsck_kind kind, uint64_t seq)
{
	keep(f, kind, seq, 0);
}

void
fsck_progress(const struct fsck *f, const char *store, uint64_t done, uint64_t total)
{
	f->calls->progress(f->calls->arg, store, done, total);
}

static bool
is_suspect(enum fsck_kind kind)
{
	return kind == FSCK_INDEX_MISSES || kind == FSCK_LETTER_LIVE || kind == FSCK_LOST ||
	       kind == FSCK_UNAPPLIED;
}

/* What one store says against another may have been on its way between the two looks. */
static bool
look_again(struct fsck *f, struct error *why)
{
	size_t kept = 0;

	if (!journal_read_begin(f->journal, why) || !letters_read_begin(f->letters, why)) {
		journal_read_end(f->journal);
		return false;
	}
	for (size_t i = 0; i < f->count; i++) {
		struct fsck_finding finding = {.kind = f->list[i].kind, .seq = f->list[i].seq};

		if (is_suspect(finding.kind) && !fsck_still(f, &f->list[i]))
			continue;
		if (is_suspect(finding.kind))
			tell(f, &finding);
		f->list[kept++] = f->list[i];
	}
	f->count = kept;
	letters_read_end(f->letters);
	journal_read_end(f->journal);
	return true;
}

static bool
look(struct fsck *f, struct error *why)
{
	return fsck_events(f, why) && fsck_seen(f, why) && fsck_state(f, why) &&
	       fsck_letters(f, why) && fsck_unread(f, why) && fsck_history(f, why) &&
	       fsck_forward(f, why) && look_again(f, why);
}

static void
fsck_close(struct fsck *f)
{
	journal_close(&f->journal);
	letters_close(&f->letters);
	msgpack_zone_destroy(&f->zone);
	free(f->list);
}

bool
fsck_run(const struct config *cfg, bool repair, const struct fsck_calls *calls,
	struct fsck_sum *sum, struct error *why)
{
	struct fsck f = {.cfg = cfg, .calls = calls, .sum = sum};
	bool good;

	*sum = (struct fsck_sum){.accepted = 0};
	msgpack_zone_init(&f.zone, 8192);
	/* Only one that is there already is opened for mending. */
	f.journal = journal_open(cfg, JOURNAL_WATCH, why);
	if (f.journal && repair) {
		journal_close(&f.journal);
		f.journal = journal_open(cfg, JOURNAL_SETTLE, why);
	}
	if (f.journal)
		f.letters = letters_open(cfg, repair ? LETTERS_KEEP : LETTERS_WATCH, why);
	good = f.letters && look(&f, why) && (!repair || fsck_mend(&f, why));
	fsck_close(&f);
	return good;
}

uint64_t
fsck_left(const struct fsck_sum *sum)
{
	uint64_t left = 0;

	for (size_t i = 0; i < FSCK_KIND_COUNT; i++)
		if (fsck_table[i].fault)
			left += sum->found[i] - sum->mended[i];
	return left;
}
