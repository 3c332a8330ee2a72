/* mail_paths - what a page of events tells when they are put together: where each stands now, which came
 * late, and the path of each message to each recipient. */
#ifndef TROTLINE_OPS_MAIL_PATHS_H
#define TROTLINE_OPS_MAIL_PATHS_H

#include "lib/base/error.h"
#include "lib/base/map.h"
#include "lib/store/journal.h"
#include "lib/store/letters.h"
#include "lib/store/state.h"

/* Fills `status` of each event (history_look.h, with marks) by the words of event_status.h. False with
 * the cause. */
bool mail_statuses(
	struct list *events, struct journal *journal, struct letters *letters, struct error *why);

/* Sorts the events, the one that happened last first, and fills `late`: accepted after one about the same
 * message and recipient that happened later. */
void mail_sort(struct list *events);

/* The paths in events that are sorted: of one person's to each of his messages, or of one message's to
 * each of its recipients. */
struct mail_group {
	struct slice message, email; /* the one that is given; the other is absent */
	struct state *state;         /* or NULL */
};

/* Adds to paths, the latest first: {message_id or email, campaign_id, status, status_at, detail, smtp_code,
 * bounce_type, path: [{event_type, timestamp, machine, late, source, event_id}]}. What stands before
 * `path` is that of the state database, nil where it has none; the path is in order of time. False with
 * the cause. */
bool mail_paths(const struct list *events, const struct mail_group *group, struct list *paths,
	struct error *why);

/* The same of a message of which there is no event: its recipients as the state database has them, by
 * address, their paths empty. */
bool mail_recipients(
	const struct mail_group *group, size_t most, struct list *paths, struct error *why);

#endif
