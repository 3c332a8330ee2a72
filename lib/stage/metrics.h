/* metrics - a process's figures, and how the figures of all processes become one Prometheus page.
 *
 * One table names every family: type, help, and how values of several processes are joined. Counters
 * and histograms stand in a file of their process: who comes after it goes on from there, and everybody
 * reads what one has counted that has ended. */
#ifndef TROTLINE_METRICS_H
#define TROTLINE_METRICS_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "proto/limits.h"

/* X(enum, family, prometheus type, join, help) */
#define METRIC_FAMILIES(X)                                                                          \
	X(EVENTS, "webhook_events_total", COUNTER, SUM,                                             \
		"Events by type and by what became of them")                                        \
	X(DURATION, "webhook_processing_duration_seconds", HISTOGRAM, SUM,                          \
		"From acceptance to the handler's verdict done")                                    \
	X(QUEUE, "webhook_queue_size", GAUGE, MAX, "Events in the journal without an end")          \
	X(ERRORS, "webhook_errors_total", COUNTER, SUM, "Refused requests and failures by kind")    \
	X(REQUESTS, "webhook_http_requests_total", COUNTER, SUM, "HTTP requests by status")         \
	X(ADMIN, "webhook_admin_requests_total", COUNTER, SUM,                                      \
		"Requests to the admin listener by status")                                         \
	X(ANSWERS, "webhook_http_request_duration_seconds", HISTOGRAM, SUM,                         \
		"From the end of an HTTP request to its answer, by source")                         \
	X(CONNECTIONS, "webhook_http_connections", GAUGE, SUM, "Open HTTP connections")             \
	X(CONNECTIONS_LIMIT, "webhook_http_connections_limit", GAUGE, SUM,                          \
		"Connections that may be open")                                                     \
	X(CONNECTIONS_ENDED, "webhook_http_connections_ended_total", COUNTER, SUM,                  \
		"Connections ended before their time, by cause")                                    \
	X(CONNECTIONS_SHORT, "webhook_http_connections_short_timestamp_seconds", GAUGE, MAX,        \
		"When one last gave way, or was refused, as too many were open")                    \
	X(CONNECTIONS_FULL, "webhook_http_connections_full_timestamp_seconds", GAUGE, MAX,          \
		"When one was last refused as no other could give way")                             \
	X(DEAF, "webhook_ingress_deaf", GAUGE, SUM,                                                 \
		"Ingress processes that have not heard of a validator yet, or no longer")           \
	X(CLOSED, "webhook_ingress_closed", GAUGE, SUM,                                             \
		"Ingress processes that take nothing new, for a drain waits for the rest")          \
	X(OLDEST, "webhook_oldest_unprocessed_seconds", GAUGE, MAX,                                 \
		"Age of the oldest event without an end")                                           \
	X(SCHEDULED, "webhook_scheduled_events", GAUGE, MAX, "Events that wait for a retry")        \
	X(VERDICTS, "webhook_verdicts_total", COUNTER, SUM,                                         \
		"Verdicts that took effect, by handler and verdict")                                \
	X(HANDLER, "webhook_handler_seconds", HISTOGRAM, SUM,                                       \
		"One group of events at a handler, from its first to its verdicts")                 \
	X(SKEW, "webhook_event_skew_seconds", HISTOGRAM, SUM,                                       \
		"Age of events when they were accepted, by source; from the future: 0")             \
	X(DEAD, "webhook_dead_letters", GAUGE, MAX, "Dead letters in the store")                    \
	X(DIED, "webhook_dead_letters_total", COUNTER, SUM,                                         \
		"Dead letters that came into the store, by class of reason")                        \
	X(GROUP, "webhook_group_size", HISTOGRAM, SUM, "Events in one commit, by stage")            \
	X(COMMIT, "webhook_commit_seconds", HISTOGRAM, SUM,                                         \
		"One commit with its flush to disk, by stage")                                      \
	X(GROUP_RETRIES, "webhook_group_retries_total", COUNTER, SUM,                               \
		"Groups that a handler has applied again at once, by reason: deadlock (another "    \
		"process was in the way), event (one of them had spoilt it)")                       \
	X(KNOWN, "webhook_duplicates_across_nodes_total", COUNTER, SUM,                             \
		"Events without effects here, for another node has applied the same ones")          \
	X(JOURNAL_BYTES, "webhook_journal_used_bytes", GAUGE, MAX, "Bytes used in the journal")     \
	X(JOURNAL_LIMIT, "webhook_journal_limit_bytes", GAUGE, MAX,                                 \
		"Bytes in the journal at which new events are refused")                             \
	X(REMEMBERED, "webhook_remembered_events", GAUGE, MAX, "Event ids kept for deduplication")  \
	X(RESENT, "webhook_resent_total", COUNTER, SUM, "Events sent again by the retrier")         \
	X(ROUTED, "webhook_routed_total", COUNTER, SUM, "Events sent on to a handler, by handler")  \
	X(BAD_FRAMES, "webhook_bad_frames_total", COUNTER, SUM, "Frames refused, by stage")         \
	X(BAD_FRAME_AT, "webhook_bad_frame_last_timestamp_seconds", GAUGE, MAX,                     \
		"When a stage last refused a frame")                                                \
	X(PROCESSES, "webhook_stage_processes", GAUGE, SUM, "Processes heard from, by stage")       \
	X(DOING, "webhook_processes_doing", GAUGE, SUM,                                             \
		"Processes that are at something long, or hang, by stage and word")                 \
	X(DEATHS, "webhook_process_deaths", GAUGE, MAX,                                             \
		"How often in a row a process of a stage has died within a minute of its start")    \
	X(HUNG, "webhook_processes_hung_total", COUNTER, SUM,                                       \
		"Processes ended for nothing was heard of them, by stage")                          \
	X(HUNG_AT, "webhook_process_hung_timestamp_seconds", GAUGE, MAX,                            \
		"When a process of a stage was last ended so")                                      \
	X(ACCEPTED, "webhook_source_last_accepted_timestamp_seconds", GAUGE, MAX,                   \
		"When a source's last event was accepted; at first when the validator started")     \
	X(TAKEN_LATELY, "webhook_source_taken_lately", GAUGE, SUM,                                  \
		"Requests of a source taken within the last 20 s, once some were refused")          \
	X(REFUSED_LATELY, "webhook_source_refused_lately", GAUGE, SUM,                              \
		"Requests of a source that were refused within the last 20 s, by cause")            \
	X(REFUSED_ROW, "webhook_source_refused_in_a_row", GAUGE, SUM,                               \
		"Requests of a source that were refused since one was taken, by cause")             \
	X(UNABLE, "webhook_unable_total", COUNTER, SUM,                                             \
		"Requests that were refused for a fault of ours, by cause")                         \
	X(UNABLE_AT, "webhook_unable_last_timestamp_seconds", GAUGE, MAX,                           \
		"When one was last refused for that cause")                                         \
	X(UNKNOWN_KINDS, "webhook_unknown_kinds_total", COUNTER, SUM,                               \
		"Events with a name, class or type that stands in no table, by provider and kind")  \
	X(NO_ADDRESS, "webhook_no_address_total", COUNTER, SUM,                                     \
		"Events about mail to somebody that name no address, by source")                    \
	X(NO_ADDRESS_AT, "webhook_no_address_last_timestamp_seconds", GAUGE, MAX,                   \
		"When a source's last event without an address came")                               \
	X(WAITING, "webhook_waiting_events", GAUGE, MAX,                                            \
		"Events that a handler has not answered and that are not scheduled, by handler")    \
	X(ANSWERED, "webhook_handler_last_answer_timestamp_seconds", GAUGE, MAX,                    \
		"When a handler last answered, by handler")                                         \
	X(DEAD_BYTES, "webhook_dead_letters_used_bytes", GAUGE, MAX,                                \
		"Bytes used in the store of dead letters")                                          \
	X(DEAD_LIMIT, "webhook_dead_letters_limit_bytes", GAUGE, MAX,                               \
		"Bytes that the store of dead letters may use")                                     \
	X(UNREAD, "webhook_unread_total", COUNTER, SUM,                                             \
		"Parts of requests answered 2xx that were not read, or not whole, by reason")       \
	X(UNREAD_AT, "webhook_unread_last_timestamp_seconds", GAUGE, MAX,                           \
		"When one was last kept for a reason that nobody expects, by source")               \
	X(UNREAD_ITEMS, "webhook_unread_items", GAUGE, MAX, "Of these, how many are kept")          \
	X(UNREAD_BYTES, "webhook_unread_used_bytes", GAUGE, MAX, "Bytes used by what is unread")    \
	X(UNREAD_LIMIT, "webhook_unread_limit_bytes", GAUGE, MAX,                                   \
		"Bytes that what is unread may use; then such requests are answered 503")           \
	X(UNREAD_FULL, "webhook_unread_full", GAUGE, MAX,                                           \
		"1 while the last one that was to be kept found no room")                           \
	X(UNREAD_EXPIRED, "webhook_unread_expired_total", COUNTER, SUM,                             \
		"What was unread for longer than unread.max_age, and is gone")                      \
	X(STATE_BYTES, "webhook_state_bytes", GAUGE, MAX, "Bytes of the state database, by file")   \
	X(QUARANTINED, "webhook_quarantine_requests", GAUGE, MAX, "Requests that are set aside")    \
	X(QUARANTINED_AGE, "webhook_quarantine_oldest_seconds", GAUGE, MAX,                         \
		"Age of the oldest of them")                                                        \
	X(DISK, "webhook_disk_used_ratio", GAUGE, MAX,                                              \
		"How full the disk under data_dir is, 0 to 1")                                      \
	X(TROUBLE, "webhook_store_trouble", GAUGE, MAX,                                             \
		"1 while a stage cannot use a store, by stage, store and cause")                    \
	X(REDIS_UP, "webhook_dedup_redis_up", GAUGE, MIN,                                           \
		"1 while a validator can ask a Redis server, by its place in redis.urls")           \
	X(CONFLICTS, "webhook_dedup_conflicts_total", COUNTER, SUM,                                 \
		"Events that another node had stored, too, when this one said that it has")         \
	X(ELSEWHERE, "webhook_dedup_elsewhere_total", COUNTER, SUM,                                 \
		"Duplicates of events that another node has, as Redis tells")                       \
	X(REPLACED_AT, "webhook_store_replaced_timestamp_seconds", GAUGE, MAX,                      \
		"When a store was last removed or replaced under a stage, and what was in it lost") \
	X(SAVED_AT, "webhook_store_saved_timestamp_seconds", GAUGE, MAX,                            \
		"When files of a store last went from under a stage that could write them again")   \
	X(HISTORY_EVENTS, "webhook_history_events_total", COUNTER, SUM,                             \
		"Events kept in the history")                                                       \
	X(HISTORY_WAITING, "webhook_history_waiting_events", GAUGE, MAX,                            \
		"Events that are not in the history yet")                                           \
	X(HISTORY_LAG, "webhook_history_lag_seconds", GAUGE, MAX,                                   \
		"Age of the oldest event that is not in the history yet")                           \
	X(HISTORY_MISSED, "webhook_history_missed_total", COUNTER, SUM,                             \
		"Events that are not in the history, as the journal was nearly full")               \
	X(HISTORY_MISSED_AT, "webhook_history_missed_timestamp_seconds", GAUGE, MAX,                \
		"When the last of them was let go of")                                              \
	X(HISTORY_BYTES, "webhook_history_bytes", GAUGE, MAX, "Bytes of the history's files")       \
	X(HISTORY_SEGMENTS, "webhook_history_segments", GAUGE, MAX, "Files of the history")         \
	X(HISTORY_KEEP, "webhook_history_keep_seconds", GAUGE, MAX,                                 \
		"How long an event stays in the history")                                           \
	X(FORWARD_UP, "webhook_forward_up", GAUGE, MAX,                                             \
		"1 while a destination takes events, by destination, as all of these are")          \
	X(FORWARD_PAUSED, "webhook_forward_paused", GAUGE, MAX,                                     \
		"1 while an operator has it paused")                                                \
	X(FORWARD_TROUBLE, "webhook_forward_trouble_timestamp_seconds", GAUGE, MAX,                 \
		"Since when it takes none, by state and cause; 0: it is no longer so")              \
	X(FORWARD_LAST, "webhook_forward_last_status", GAUGE, MAX,                                  \
		"Status of its last answer; 0: there was none")                                     \
	X(FORWARD_ATTEMPTS, "webhook_forward_attempts_total", COUNTER, SUM,                         \
		"Requests to it, by class of what became of them")                                  \
	X(FORWARD_DELIVERED, "webhook_forward_events_total", COUNTER, SUM,                          \
		"Events that it answered 2xx")                                                      \
	X(FORWARD_DURATION, "webhook_forward_duration_seconds", HISTOGRAM, SUM,                     \
		"From a request to it to the end of its answer")                                    \
	X(FORWARD_LAG_EVENTS, "webhook_forward_lag_events", GAUGE, MAX,                             \
		"Events of the history that it has not taken up yet")                               \
	X(FORWARD_LAG, "webhook_forward_lag_seconds", GAUGE, MAX, "Age of the oldest of them")      \
	X(FORWARD_OWED, "webhook_forward_owed", GAUGE, MAX,                                         \
		"Requests beside its place in the history that wait, or are tried again")           \
	X(FORWARD_DEAD, "webhook_forward_dead", GAUGE, MAX, "Its dead letters")                     \
	X(FORWARD_DIED_AT, "webhook_forward_dead_timestamp_seconds", GAUGE, MAX,                    \
		"When the last of them came")                                                       \
	X(FORWARD_GUARDED_AT, "webhook_forward_guarded_timestamp_seconds", GAUGE, MAX,              \
		"When it last led to an address that is not allowed")                               \
	X(FORWARD_MISSED, "webhook_forward_missed_total", COUNTER, SUM,                             \
		"Events that history let go of before it had them")                                 \
	X(FORWARD_MISSED_AT, "webhook_forward_missed_timestamp_seconds", GAUGE, MAX,                \
		"When the last of them was found missing")                                          \
	X(NOTICES, "webhook_notices_total", COUNTER, SUM,                                           \
		"Notices about dead letters, by way and status")                                    \
	X(FAILING, "webhook_notices_failing", GAUGE, MAX,                                           \
		"1 while the last notice failed, by way")                                           \
	X(BUILD, "webhook_build_info", GAUGE, MAX, "1, with the version of a stage's program")      \
	X(NODE, "webhook_node_info", GAUGE, MAX, "1, with what tells this node from others")        \
	X(RESTARTS, "webhook_stage_restarts_total", COUNTER, SUM,                                   \
		"Processes that came after one that ended without a drain, by stage")               \
	X(TAP_DROPPED, "webhook_tap_dropped_total", COUNTER, SUM,                                   \
		"How often a watcher was too slow, and lost messages of the tap, by stage")         \
	X(RELOADED, "webhook_config_reload_success", GAUGE, MIN,                                    \
		"0 while the last configuration that a stage was to take is refused")               \
	X(RELOADED_AT, "webhook_config_reload_timestamp_seconds", GAUGE, MIN,                       \
		"When a stage last took a configuration")                                           \
	X(CPU, "process_cpu_seconds_total", COUNTER, SUM, "CPU time used, by stage")                \
	X(STARTED, "process_start_time_seconds", GAUGE, MAX,                                        \
		"When a stage's process last started")                                              \
	X(MEMORY, "process_resident_memory_bytes", GAUGE, SUM, "Memory in use, by stage")           \
	X(DESCRIPTORS, "process_open_fds", GAUGE, SUM, "Open descriptors, by stage")                \
	X(DESCRIPTORS_MAX, "process_max_fds", GAUGE, MIN,                                           \
		"Descriptors that one of its processes may open")

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
enum metric_join { METRIC_SUM, METRIC_MAX, METRIC_MIN };

#define METRIC_ENUM(id, family, type, join, help) METRIC_FAMILY_##id,
enum metric_family { METRIC_FAMILIES(METRIC_ENUM) METRIC_FAMILY_COUNT };

struct metric_row {
	const char *family;
	enum metric_type type;
	enum metric_join join;
	const char *help;
};
extern const struct metric_row metric_table[METRIC_FAMILY_COUNT];

/* The figures of one process. Each value is named by family and labels: "" or
 * `event_type="x",status="y"`, at most METRIC_LABELS_MAX bytes, made by metric_label or known to be
 * plain. */
struct metrics;

enum { METRIC_LABELS_MAX = 255 };

/* Appends name="value", after a comma if labels is not empty; a quote and a backslash are escaped,
 * what is not printable ASCII becomes '?'. False, with labels as they were, when size is too small.
 */
bool metric_label(char *labels, size_t size, const char *name, struct slice value);

struct metrics *metrics_new(void);
/* For those of all processes together: it holds more of them. */
struct metrics *metrics_new_joined(void);
void metrics_destroy(struct metrics **m);

/* The value's place, made at first use and valid until metrics_destroy; add to it or set it.
 * Past METRICS_MAX values (each published number of a histogram is one) all further ones, and
 * labels that are too long, share one place that is not published. Not for histograms. */
enum { METRICS_MAX = FIGURES_PER_FRAME, METRICS_JOINED_MAX = 4 * METRICS_MAX };
double *metric(struct metrics *m, enum metric_family family, const char *labels);

/* Makes the value, or the histogram, of 0, so that it stands on the page from the start. */
void metric_open(struct metrics *m, enum metric_family family, const char *labels);

/* Counts a value into a histogram family; bounds are fixed per family in metrics.c. */
void metric_observe(struct metrics *m, enum metric_family family, const char *labels, double value);

/* All values as the stats frame's `metrics`: an array of [family, labels, value], of a histogram
 * [family, labels, [a count for each bound, cumulative, the sum, the count]]. It is in the zone, and
 * the labels are those of m. */
bool metrics_object(const struct metrics *m, msgpack_zone *zone, msgpack_object *out);

/* Joins another process's `metrics` array into m by the table's rule; what is malformed or of an
 * unknown family is passed over. which: of the families that are counted, of those that tell the same
 * of the whole whoever says it, of those that tell of a process that lives. */
enum { METRICS_COUNTERS = 1, METRICS_FACTS = 2, METRICS_STATES = 4, METRICS_ALL = 7 };
void metrics_join(struct metrics *m, const msgpack_object *values, unsigned which);

/* Keeps what is counted in the file at path too, from which the process after this one goes on as this one
 * does from what the one before has left there. Once, before the first figure. What that process was;
 * METRICS_UNKEPT with the cause: all is counted in memory alone. */
enum metrics_before {
	METRICS_UNKEPT,
	METRICS_NOBODY,  /* there was none */
	METRICS_ENDED,   /* by metrics_destroy */
	METRICS_CUT_OFF, /* otherwise */
};
enum metrics_before metrics_keep(struct metrics *m, const char *path, struct error *why);

/* A mark of all that is in it: another, as good as surely, once anything has changed. */
uint64_t metrics_mark(const struct metrics *m);

/* Has something been counted since it was last stored? */
bool metrics_counted(const struct metrics *m);

/* Has all that is counted put into that file, by a thread that may hang with the disk. Waits for it at most
 * ms; false: it is not there yet. While the disk hangs nobody waits a second time. */
bool metrics_stored(struct metrics *m, uint64_t ms);

/* Joins what stands in such a file of a folder, be its process alive or not; false when it is none. */
bool metrics_join_file(struct metrics *m, int folder, const char *name);

/* No counter of m is less than that of `least` then. */
void metrics_raise(struct metrics *m, const struct metrics *least);

/* Prometheus text format 0.0.4. The caller frees it. */
char *metrics_text(const struct metrics *m);

/* Sum of all values of a family whose labels contain `part` ("" for all); of a histogram the sum of
 * all that was observed. */
double metrics_sum(const struct metrics *m, enum metric_family family, const char *part);

/* How many values a histogram family has observed, by the same rule. */
double metrics_count(const struct metrics *m, enum metric_family family, const char *part);

#endif
