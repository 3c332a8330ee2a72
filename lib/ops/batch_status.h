/* batch_status - how a batch stands: what became of each of its events.
 *
 * An event is pending while it is in the journal, failed when it was refused with its batch, is
 * given up, a dead letter or a dropped one, and successful otherwise; an event that was known
 * already counts as a duplicate. Remembered for the longest dedup window. Only reads. */
#ifndef TROTLINE_BATCH_STATUS_H
#define TROTLINE_BATCH_STATUS_H

#include "found.h"
#include "lib/store/journal.h"
#include "lib/store/letters.h"

/* The answer as a map in the zone, which holds all of it:
 *
 *	batch_id, source, status (processing, completed), received_at, total_events, successful,
 *	failed, pending, duplicates, failed_events: [{index (nil: not known), event_id, error}]
 *
 * letters may be NULL: then dead ones whose letters are stored count as successful. source: answer
 * for this one only, or absent. Takes and gives back its own snapshots. */
enum ops_found batch_status(struct journal *j, struct letters *letters, struct slice id,
	struct slice source, msgpack_zone *zone, msgpack_object *out, struct error *why);

#endif
