/* What a destination reads of the history: nothing is passed over, and what is owed is the same once more. */
#include <glob.h>
#include <stdio.h>
#include <unistd.h>

#include "forward/reading.h"
#include "history_kit.h"
#include "lib/base/map.h"

static struct kit k;
static struct history_view *view;
static struct config_forward cfg;
static struct reading r;

static void
begin(uint32_t segment_events)
{
	bool exists;

	kit_open(&k, segment_events);
	view = history_watch(k.folder, &exists, &k.why);
	cr_assert_not_null(view, "%s", k.why.text);
	cfg = (struct config_forward){.machine = true, .batch_events = 1};
	r = (struct reading){.cfg = &cfg, .pos = 1};
}

static void
done(void)
{
	reading_close(&r);
	history_view_close(&view);
	kit_close(&k);
}

static bool
fill(void)
{
	return reading_open(&r, view, NULL, &k.why) && reading_fill(&r, view, 1, &k.why);
}

/* What comes is counted and let go. */
static size_t
take_all(void)
{
	size_t n = r.ahead.n;

	items_clear(&r.ahead);
	return n;
}

static struct item *
again(uint64_t first, uint64_t last, bool *gone)
{
	return reading_again(&r, view, &(struct forward_owed){.first = first, .last = last}, false,
		gone, &k.why);
}

/* The first sealed file, and where it is put away. */
static void
segment(char path[256], char away[256])
{
	char pattern[256];
	glob_t found;

	snprintf(pattern, sizeof pattern, "%.100s/2*.1-*", k.folder);
	cr_assert_eq(glob(pattern, 0, NULL, &found), 0, "%s", pattern);
	snprintf(path, 256, "%s", found.gl_pathv[0]);
	globfree(&found);
	snprintf(away, 256, "%.200s", scratch_path(&k.s, "away"));
}

Test(forward_reading, a_file_that_cannot_be_read_for_a_while_is_waited_for_and_not_passed_over,
	.fini = done)
{
	char path[256], away[256];
	bool gone = true;
	FILE *f;

	begin(100);
	kit_append(&k, 1, 301);
	kit_work(&k);
	segment(path, away);
	cr_assert_eq(rename(path, away), 0);
	f = fopen(path, "w");
	cr_assert(f && fputs("no store at all", f) > 0 && fclose(f) == 0);
	cr_assert_not(fill());
	cr_assert_eq(r.pos, 1);
	cr_assert_eq(r.missed, 0);
	cr_assert_null(again(5, 5, &gone));
	cr_assert_not(gone);
	cr_assert_eq(rename(away, path), 0);
	r.again_ms = 0;
	cr_assert(fill(), "%s", k.why.text);
	cr_assert_eq(r.missed, 0);
	cr_assert_eq(r.ahead.first->owed.first, 1);
}

Test(forward_reading, what_stays_unreadable_is_missed_in_the_end, .fini = done)
{
	char path[256], away[256];
	FILE *f;

	begin(100);
	kit_append(&k, 1, 151);
	kit_work(&k);
	segment(path, away);
	f = fopen(path, "w");
	cr_assert(f && fputs("no store at all", f) > 0 && fclose(f) == 0);
	cr_assert_not(fill());
	r.again_ms = 0;
	r.broken_ms -= 60000;
	cr_assert(fill(), "%s", k.why.text);
	cr_assert_eq(r.missed, 100);
	cr_assert_eq(r.ahead.first->owed.first, 101);
}

Test(forward_reading, a_batch_once_more_is_whole_however_large_it_has_become, .fini = done)
{
	static char pad[200000];
	struct item *item;
	bool gone;

	begin(0);
	memset(pad, 'x', sizeof pad - 1);
	for (uint64_t seq = 1; seq <= 30; seq++) {
		msgpack_zone zone;
		struct map data;
		msgpack_sbuffer frame;
		struct event ev = *kit_event(&k, seq).event;

		msgpack_zone_init(&zone, 4096);
		data = map_in(&zone);
		map_text(&data, "note", slice_of(pad));
		ev.data = map_object(&data);
		msgpack_sbuffer_init(&frame);
		cr_assert(frame_pack(&event_schema, &ev, &frame));
		cr_assert_eq(kit_append_one(&k, &(struct history_event){.event = &ev,
							.frame = {frame.data, frame.size}}),
			STORE_OK);
		msgpack_sbuffer_destroy(&frame);
		msgpack_zone_destroy(&zone);
	}
	cfg.batch_events = 100;
	item = again(1, 30, &gone);
	cr_assert_not_null(item, "%s", k.why.text);
	cr_assert_eq(item->events, 30);
	cr_assert_str_eq(item->id, "bat_1_30");
	item_free(item);
}

Test(forward_reading, what_is_owed_and_wanted_no_longer_is_not_missed, .fini = done)
{
	static char word[] = "email_bounced", *types[] = {word};
	bool gone = false;

	begin(0);
	kit_append(&k, 1, 31);
	cfg.types = types;
	cfg.types_count = 1;
	cr_assert_null(again(3, 3, &gone));
	cr_assert(gone);
	cr_assert_eq(r.missed, 0);
	cr_assert_null(again(40, 41, &gone));
	cr_assert(gone);
}

Test(forward_reading, what_the_history_let_go_of_is_missed_by_as_many_as_it_was, .fini = done)
{
	bool gone = false;

	begin(100);
	k.limits.keep_ms = KIT_DAY_MS;
	kit_again(&k);
	kit_append(&k, 1, 101);
	k.now_ms += 3 * KIT_DAY_MS;
	kit_append(&k, 101, 120);
	kit_work(&k);
	cr_assert_null(again(10, 14, &gone));
	cr_assert(gone);
	cr_assert_eq(r.missed, 5);
	r.missed = 0;
	cr_assert(fill(), "%s", k.why.text);
	cr_assert_eq(r.missed, 100);
	cr_assert_eq(take_all(), 19);
}
