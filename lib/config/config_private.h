/* config_private - what the files of the configuration share: the options table, the file as
 * written, a load under way, and how a fault is reported with its line. Only config*.c include
 * this. */
#ifndef TROTLINE_CONFIG_PRIVATE_H
#define TROTLINE_CONFIG_PRIVATE_H

#include "config.h"

/* Every plain option once: X(id, section, key, member of the struct, unit, default, least, most).
 * Defaults and bounds are written as in the file and read by the same code. */
#define CONFIG_OPTIONS_TOP(X) X(LOG_LEVEL, "", "log_level", log_level, LEVEL, "info", "", "")
#define CONFIG_OPTIONS_PROCESSES(X)                                                                \
	X(INGRESS, "processes", "ingress", processes.ingress, COUNT, "1", "1", "32")               \
	X(VALIDATOR, "processes", "validator", processes.validator, COUNT, "1", "1", "32")         \
	X(ROUTER, "processes", "router", processes.router, COUNT, "1", "1", "32")
#define CONFIG_OPTIONS_LIMITS(X)                                                                   \
	X(EVENT_SIZE, "limits", "event_size", limits.event_bytes, SIZE, "1MiB", "1KiB", "64MiB")   \
	X(BATCH_SIZE, "limits", "batch_size", limits.batch_bytes, SIZE, "10MiB", "1KiB", "256MiB") \
	X(BATCH_EVENTS, "limits", "batch_events", limits.batch_events, COUNT, "10000", "1",        \
		"1000000")                                                                         \
	X(HEADER_SIZE, "limits", "header_size", limits.header_bytes, SIZE, "16KiB", "1KiB",        \
		"1MiB")                                                                            \
	X(CONNECTIONS, "limits", "connections", limits.connections, COUNT, "4096", "1", "65536")   \
	X(IDLE_TIMEOUT, "limits", "idle_timeout", limits.idle_timeout_ms, DURATION, "60s", "1s",   \
		"1h")                                                                              \
	X(REQUEST_TIMEOUT, "limits", "request_timeout", limits.request_timeout_ms, DURATION,       \
		"30s", "100ms", "1h")                                                              \
	X(ANSWER_TIMEOUT, "limits", "answer_timeout", limits.answer_timeout_ms, DURATION, "3s",    \
		"10ms", "5m")                                                                      \
	X(MEMORY, "limits", "memory", limits.memory_bytes, SIZE, "256MiB", "1MiB", "64GiB")
#define CONFIG_OPTIONS_JOURNAL(X)                                                                  \
	X(MAX_SIZE, "journal", "max_size", journal.max_bytes, SIZE, "2GiB", "1MiB", "16384GiB")    \
	X(LEASE, "journal", "lease", journal.lease_ms, DURATION, "30s", "100ms", "1h")
#define CONFIG_OPTIONS_RETRY(X)                                                                    \
	X(DELAY, "retry", "delay", retry.delay_ms, DURATION, "2s", "10ms", "1d")                   \
	X(MAX_DELAY, "retry", "max_delay", retry.max_delay_ms, DURATION, "300s", "10ms", "30d")    \
	X(JITTER, "retry", "jitter_percent", retry.jitter_percent, PERCENT, "10", "0", "100")      \
	X(ATTEMPTS, "retry", "attempts", retry.attempts, COUNT, "5", "0", "1000")
#define CONFIG_OPTIONS_HEALTH(X)                                                                   \
	X(ERROR_RATE, "health", "error_rate_percent", health.error_rate_percent, PERCENT, "5",     \
		"0", "100")                                                                        \
	X(PROCESSING_TIME, "health", "processing_time", health.processing_time_ms, DURATION, "2s", \
		"1ms", "1h")                                                                       \
	X(QUEUE_SIZE, "health", "queue_size", health.queue_size, COUNT, "1000", "1", "1000000000") \
	X(OLDEST_AGE, "health", "oldest_age", health.oldest_age_ms, DURATION, "5m", "1s", "365d")  \
	X(DISK_FREE, "health", "disk_free_percent", health.disk_free_percent, PERCENT, "5", "0",   \
		"100")
#define CONFIG_OPTIONS_DLQ(X)                                                                      \
	X(DLQ_SIZE, "dlq", "max_size", dlq.max_bytes, SIZE, "1GiB", "1MiB", "1024GiB")
#define CONFIG_OPTIONS_QUARANTINE(X)                                                               \
	X(QUARANTINE_SIZE, "quarantine", "max_size", quarantine.max_bytes, SIZE, "256MiB", "1MiB", \
		"64GiB")                                                                           \
	X(QUARANTINE_AGE, "quarantine", "max_age", quarantine.max_age_ms, DURATION, "7d", "1m",    \
		"365d")
#define CONFIG_OPTIONS_NOTIFY(X)                                                                   \
	X(NOTIFY_INTERVAL, "notify", "interval", notify.interval_ms, DURATION, "60s", "1s", "30d")
#define CONFIG_OPTIONS_SCORES(X)                                                                   \
	X(OPENED, "scores", "opened", scores.opened, NUMBER, "10", "-1000000", "1000000")          \
	X(CLICKED, "scores", "clicked", scores.clicked, NUMBER, "25", "-1000000", "1000000")
#define CONFIG_OPTIONS_SUPPRESSION(X)                                                              \
	X(SOFT_BOUNCES, "suppression", "soft_bounces", suppression.soft_bounces, COUNT, "5", "1",  \
		"1000")                                                                            \
	X(SOFT_BOUNCE_PERIOD, "suppression", "soft_bounce_period",                                 \
		suppression.soft_bounce_period_ms, DURATION, "30d", "1s", "3650d")

#define CONFIG_OPTIONS(X)                                                                          \
	CONFIG_OPTIONS_TOP(X)                                                                      \
	CONFIG_OPTIONS_PROCESSES(X)                                                                \
	CONFIG_OPTIONS_LIMITS(X)                                                                   \
	CONFIG_OPTIONS_JOURNAL(X)                                                                  \
	CONFIG_OPTIONS_RETRY(X)                                                                    \
	CONFIG_OPTIONS_HEALTH(X)                                                                   \
	CONFIG_OPTIONS_DLQ(X)                                                                      \
	CONFIG_OPTIONS_QUARANTINE(X)                                                               \
	CONFIG_OPTIONS_NOTIFY(X)                                                                   \
	CONFIG_OPTIONS_SCORES(X)                                                                   \
	CONFIG_OPTIONS_SUPPRESSION(X)

/* The same for each source and each handler; the section is the row's own key. */
#define CONFIG_SOURCE_OPTIONS(X)                                                                   \
	X(MAX_AGE, "", "max_age", max_age_ms, DURATION, "10m", "1s", "3650d")                      \
	X(MAX_FUTURE, "", "max_future", max_future_ms, DURATION, "5m", "0s", "3650d")              \
	X(DEDUP_WINDOW, "", "dedup_window", dedup_window_ms, DURATION, "24h", "1s", "365d")        \
	X(SILENT_AFTER, "", "silent_after", silent_after_ms, DURATION, "0s", "0s", "365d")         \
	X(ALLOW_RAW, "", "allow_raw", allow_raw, BOOL, "false", "", "")                            \
	X(ON_BAD_SIGNATURE, "", "on_bad_signature", quarantine, BAD_SIGNATURE, "reject", "", "")
/* What a row of retry.types leaves out is as in `retry` itself. */
#define CONFIG_RETRY_OPTIONS(X)                                                                    \
	X(DELAY, "", "delay", retry.delay_ms, DURATION, "2s", "10ms", "1d")                        \
	X(MAX_DELAY, "", "max_delay", retry.max_delay_ms, DURATION, "300s", "10ms", "30d")         \
	X(JITTER, "", "jitter_percent", retry.jitter_percent, PERCENT, "10", "0", "100")           \
	X(ATTEMPTS, "", "attempts", retry.attempts, COUNT, "5", "0", "1000")
#define CONFIG_HANDLER_OPTIONS(X) X(PROCESSES, "", "processes", processes, COUNT, "1", "0", "32")

_Static_assert(CONFIG_PROCESSES_MAX == 32, "the tables above say 32");

#define CONFIG_OPTION_ENUM(id, ...) OPTION_##id,
#define CONFIG_SOURCE_OPTION_ENUM(id, ...) SOURCE_OPTION_##id,
#define CONFIG_HANDLER_OPTION_ENUM(id, ...) HANDLER_OPTION_##id,
#define CONFIG_RETRY_OPTION_ENUM(id, ...) RETRY_OPTION_##id,
enum config_option_id { CONFIG_OPTIONS(CONFIG_OPTION_ENUM) OPTION_COUNT };
enum config_source_option_id {
	CONFIG_SOURCE_OPTIONS(CONFIG_SOURCE_OPTION_ENUM) SOURCE_OPTION_COUNT
};
enum config_handler_option_id {
	CONFIG_HANDLER_OPTIONS(CONFIG_HANDLER_OPTION_ENUM) HANDLER_OPTION_COUNT
};
enum config_retry_option_id { CONFIG_RETRY_OPTIONS(CONFIG_RETRY_OPTION_ENUM) RETRY_OPTION_COUNT };

enum config_unit {
	UNIT_COUNT,         /* uint64_t */
	UNIT_NUMBER,        /* int64_t */
	UNIT_PERCENT,       /* double */
	UNIT_DURATION,      /* uint64_t, ms */
	UNIT_SIZE,          /* uint64_t, bytes */
	UNIT_LEVEL,         /* uint64_t, enum log_level */
	UNIT_BOOL,          /* uint64_t, true or false */
	UNIT_BAD_SIGNATURE, /* uint64_t: reject 0, quarantine 1 */
};

struct config_option {
	const char *section, *key;
	size_t offset; /* of the value in the struct that it fills */
	enum config_unit unit;
	const char *fallback, *least, *most;
};

extern const struct config_option config_options[OPTION_COUNT],
	config_source_options[SOURCE_OPTION_COUNT], config_handler_options[HANDLER_OPTION_COUNT],
	config_retry_options[RETRY_OPTION_COUNT];

/* Reads text (NULL: the default) into the option's member of the struct at base. False when it is
 * no value of that unit or out of bounds; then why says what is allowed, without the key. */
bool config_option_read(
	const struct config_option *opt, const char *text, void *base, struct error *why);

/* The file as written: every scalar a text, NULL where it is absent; freed by config_file_destroy.
 */
struct config_file_source {
	char *name, *provider, *secrets_file, *scheme, *header, *url;
	char **secrets, **topics;
	unsigned secrets_count, topics_count;
	char *options[SOURCE_OPTION_COUNT];
};
struct config_file_handler {
	char *name;
	char **types;
	unsigned types_count;
	char *options[HANDLER_OPTION_COUNT];
};
struct config_file_conversion {
	char *name, *url;
};
struct config_file_retry {
	char *type;
	char *options[RETRY_OPTION_COUNT];
};
struct config_file {
	char *listen, *data_dir, *notify_command, *notify_url, *admin_listen, *admin_token_file;
	char *options[OPTION_COUNT];
	struct config_file_source *sources;
	struct config_file_handler *handlers;
	struct config_file_conversion *conversions;
	struct config_file_retry *retries;
	unsigned sources_count, handlers_count, conversions_count, retries_count;
};

enum { CONFIG_SECRETS_MAX = 16, CONFIG_TYPES_MAX = 64 };

/* The path to a value in the file, such as `sources[0].max_age`; what does not fit is cut. */
struct config_key {
	char text[160];
};
__attribute__((format(printf, 1, 2))) struct config_key config_key(const char *fmt, ...);

/* Where a fault is to be reported: the file's name and text, and the place for the cause. */
struct config_place {
	const char *path;
	struct slice text;
	struct error *why;
};

/* "<path> line <n>: <key>: <cause>"; the line is that of the key, or left out when the
 * file has no such key. Returns false. */
__attribute__((format(printf, 3, 4))) bool config_fault(
	const struct config_place *at, const char *key, const char *fmt, ...);

/* Line of a key in a YAML text, from 1; the last one where it is repeated; 0 when there is none.
 * When the text is no YAML at all: the line of the fault, with *fault set to a constant text. */
size_t config_line(struct slice text, const char *key, const char **fault);

/* A load under way: the file as written becomes the configuration, one part after the other. */
struct config_load {
	struct config_place at;
	const struct config_file *file;
	struct config *cfg;
	char *folder; /* of the file: where relative paths start */
	enum config_mode mode;
	config_check *check; /* of each source, or NULL */
};

/* 1 to `most` characters of a-z, 0-9, - and _. */
bool config_is_name(const char *text, size_t most);

/* A text of the file, expanded, or the fallback (NULL: it must be there) when it is absent. NULL
 * with the cause when it is empty or cannot be expanded. The caller frees it. */
char *config_take_text(
	const struct config_load *ld, const char *key, const char *text, const char *fallback);
/* The same for a path, made absolute. */
char *config_take_path(
	const struct config_load *ld, const char *key, const char *text, const char *fallback);
/* The same for a file that holds secrets: where they are not read, a variable that is not set in
 * this process's environment stays as it is written. */
char *config_take_secret_path(const struct config_load *ld, const char *key, const char *text);
/* The same for a text that may be absent: then *out is NULL. False with the cause. */
bool config_take_optional(
	const struct config_load *ld, const char *key, const char *text, char **out);
/* The same for an address and a port; the address alone goes to *address. */
bool config_take_listen(const struct config_load *ld, const char *key, const char *text,
	const char *fallback, char **listen, char **address, uint64_t *port);
/* An option as written (NULL: its default) into the struct at base. key: of the group, for options
 * that name no section. */
bool config_take_option(const struct config_load *ld, const char *key,
	const struct config_option *opt, const char *written, void *base);

/* The lists, each into its part of ld->cfg; and back. Sources come first, the rest in any order. */
bool config_take_sources(const struct config_load *ld);
bool config_take_handlers(const struct config_load *ld);
bool config_take_retry_types(const struct config_load *ld);
void config_free_sources(struct config *cfg);
void config_free_handlers(struct config *cfg);
void config_free_retry_types(struct config *cfg);

/* Loads the text through the schema. NULL with the cause. */
struct config_file *config_file_load(const struct config_place *at);
/* Frees it and wipes every byte of it. */
void config_file_destroy(struct config_file **file);

/* The text with each `${VAR}` replaced from the environment; `$${` stands for a plain `${`. NULL
 * with the cause. The caller frees it. */
char *config_expand(const struct config_place *at, const char *key, const char *text);
/* Checks the form only. */
bool config_expand_check(const struct config_place *at, const char *key, const char *text);
/* Every variable that the text names is set. */
bool config_expand_is_set(const char *text);
/* Wipes every variable that the text names from this process's environment. */
void config_expand_wipe(const char *text);

/* Fills src->secrets from the file's list and from src->secrets_file. */
bool config_secrets_read(const struct config_place *at, const char *key,
	const struct config_file_source *file, struct config_source *src);
/* For processes that must hold none: checks the form only. */
bool config_secrets_pass(
	const struct config_place *at, const char *key, const struct config_file_source *file);
/* Wipes the variables that the source's secrets name from this process's environment. */
void config_secrets_wipe_environment(const struct config_file_source *file);
/* Frees and wipes. */
void config_secrets_destroy(struct config_source *src);

#endif
