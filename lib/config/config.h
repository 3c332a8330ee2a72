/* config - trotline.yaml, loaded and checked.
 *
 * Every limit has a unit in its name here and a default in config_table.c. Paths are absolute after
 * loading; relative ones in the file are relative to the file's own folder. `${VAR}` in a text is
 * replaced from the environment; an unset one is an error that names key and variable. */
#ifndef TROTLINE_CONFIG_H
#define TROTLINE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"

/* Defaults that are told where no configuration is read. */
#define CONFIG_SOFT_BOUNCES "5"
#define CONFIG_SCORE_OPENED "10"
#define CONFIG_SCORE_CLICKED "25"

struct config_source {
	char *name;     /* [a-z0-9_-]{1,64}; POST /webhooks/<name> */
	char *provider; /* "trotline" */
	char **secrets; /* expanded, secrets_file's lines included; empty without CONFIG_SECRETS */
	size_t secrets_count;
	char *secrets_file;  /* absolute path or NULL; one secret a line */
	size_t weak_secrets; /* how many of them have fewer than 16 bytes */
	uint64_t max_age_ms, max_future_ms, dedup_window_ms; /* ages 0: the provider's default */
	uint64_t silent_after_ms;    /* nothing accepted for so long is an alert; 0: never */
	char *scheme, *header, *url; /* NULL: the provider's default; see providers/provider.h */
	char **topics;               /* SNS: TopicArn allow-list */
	size_t topics_count;
	uint64_t allow_raw;  /* SNS: unsigned raw delivery is taken */
	uint64_t quarantine; /* on_bad_signature: 0 reject, 1 quarantine */
};

struct config_handler {
	char *name;   /* route and process name: trotline-handler-<name> */
	char **types; /* more event types that go to it, before the built-in table */
	size_t types_count;
	uint64_t processes; /* how many `up` starts; 0 for one that is started by hand */
};

/* The n-th retry waits delay * 2^(n-1), at most max_delay, spread by +-jitter; when the last of
 * `attempts` retries is answered RETRY too, the event is given up. */
struct config_retry {
	uint64_t delay_ms, max_delay_ms, attempts;
	double jitter_percent;
};

struct config_retry_type {
	char *type;
	struct config_retry retry; /* what its row leaves out is as in the general one */
};

struct config_conversion {
	char *name;
	char *url; /* fnmatch(3) pattern over the clicked URL */
};

enum { FORWARD_WITHOUT_RAW, FORWARD_FULL, FORWARD_THIN }; /* `data` of a destination */
enum { FORWARD_UNORDERED, FORWARD_BY_RECIPIENT };         /* its `order` */

/* A destination: an application that events go to over HTTP, read from history. */
struct config_forward {
	char *name; /* [a-z0-9_-]{1,64} */
	char *url;
	char *secrets_file;      /* absolute; one key a line, newest first; made when missing */
	char **types, **sources; /* fnmatch(3) patterns; none: all */
	size_t types_count, sources_count;
	uint64_t machine; /* flag: what no person did, too */
	char *from;       /* now, start or a time: where a new one begins */
	uint64_t data;    /* FORWARD_... */
	uint64_t rate;    /* events/s; 0: without limit */
	uint64_t concurrency, order;
	uint64_t batch_events, batch_wait_ms; /* events 1: no batches */
	uint64_t timeout_ms, retry_after_max_ms;
	uint64_t *retry_ms; /* what an event that is at fault itself waits for, try by try */
	size_t retry_ms_count;
	char **network; /* public, loopback, private, or networks in CIDR form */
	size_t network_count;
	char *ca_file;  /* NULL: the system's */
	char **headers; /* "Name: value"; empty without CONFIG_DESTINATIONS */
	size_t headers_count;
};

enum { DATABASE_SQLITE, DATABASE_POSTGRESQL }; /* `kind` of the database */
enum { REDIS_ACCEPT, REDIS_REFUSE };           /* `when_away` of redis */

/* The admin listener of a node, this one's own among them. */
struct config_fleet_node {
	char *name; /* [a-z0-9_-]{1,64}; node.name there */
	char *url;
	char *token_file; /* NULL: the token is that of this node */
	char *ca_file;    /* NULL: the system's */
};

struct config {
	char *path;    /* of the file itself, absolute */
	char *listen;  /* address:port as written */
	char *address; /* its parts */
	uint64_t port;
	char *data_dir;        /* absolute: journal/, dlq/, state.db, run/ (sockets), log/ */
	uint64_t public_pages; /* /webhooks/health and /metrics are shown on `listen`, too */
	uint64_t log_level;    /* enum log_level */

	char **trusted_proxies; /* networks whose header tells for whom they ask */
	size_t trusted_proxies_count;
	uint64_t proxy_header; /* which one: 0 X-Forwarded-For, 1 Forwarded */

	struct config_source *sources;
	size_t sources_count;

	struct {
		char *name;      /* the host's where it is not named */
		uint64_t number; /* 1 to 9999; 0: none */
	} node;

	struct {
		uint64_t kind;      /* DATABASE_... */
		char *url;          /* NULL where it is not for this load, or where the command line
				 * lacks a variable that it names */
		char *passfile;     /* libpq's; absolute, or NULL */
		uint64_t known_ids; /* flag */
		uint64_t timeout_ms;
	} database;

	struct {
		char **urls; /* empty where they are not for this load; config_redis_place_of cuts them */
		size_t urls_count;
		char *password_file, *ca_file; /* absolute, or NULL */
		uint64_t timeout_ms, claim_ms;
		uint64_t window_ms; /* 0: each source's dedup_window */
		uint64_t when_away; /* REDIS_... */
	} redis;

	struct config_fleet_node *fleet_nodes;
	size_t fleet_nodes_count;

	struct {
		uint64_t ingress, validator, router;
	} processes;

	struct { /* bytes, numbers, ms */
		uint64_t event_bytes, batch_bytes, batch_events, header_bytes, connections;
		uint64_t connections_each; /* of one address; 0: a quarter, 64 at least */
		uint64_t idle_timeout_ms, head_timeout_ms, request_timeout_ms, answer_timeout_ms;
		uint64_t memory_bytes; /* of request bodies under way in one ingress */
	} limits;

	struct {
		uint64_t max_bytes;
		uint64_t lease_ms; /* without a verdict for so long: sent again */
	} journal;

	struct {                        /* every accepted event, beside its handler */
		uint64_t keep_ms;       /* 0: only what a destination has not passed */
		uint64_t max_bytes;     /* the oldest file goes first */
		uint64_t raw, compress; /* flags: the provider's own object too; in zstd */
		uint64_t required; /* flag: it is owed every event, and a full journal means 503;
				    * so it is where a destination reads it */
		bool kept;         /* keep_ms, or a destination; for good while a process runs */
	} history;

	struct config_retry retry; /* for the types that have no row of their own */
	struct config_retry_type *retry_types;
	size_t retry_types_count;

	struct {
		double error_rate_percent;
		uint64_t processing_time_ms, queue_size;
		uint64_t oldest_age_ms;   /* of an event without an end */
		double disk_free_percent; /* less than this is an alert */
	} health;

	struct {
		uint64_t max_bytes; /* of the dead letters' store */
	} dlq;

	struct {
		uint64_t max_bytes, max_age_ms;
	} quarantine;

	struct { /* what of proven requests could not be read */
		uint64_t max_bytes, max_age_ms;
	} unread;

	struct {                      /* who is told of dead letters; NULL: nobody */
		char *command;        /* run by sh -c with the summary as JSON on stdin */
		char *url;            /* the same, POSTed */
		uint64_t interval_ms; /* at most one summary in so long */
	} notify;

	struct {
		char *listen, *address; /* NULL: no admin listener */
		uint64_t port;
		char *token_file; /* bearer token; NULL, on loopback only: data_dir/admin.token */
	} admin;

	struct {
		int64_t opened, clicked;
	} scores;

	struct {
		uint64_t soft_bounces, soft_bounce_period_ms;
	} suppression;

	struct config_conversion *conversions;
	size_t conversions_count;

	struct config_forward *forward;
	size_t forward_count;

	/* One row a handler: the built-in ones in the order of the type table, then the file's own.
	 * The row's index is the handler's route number everywhere; at most CONFIG_HANDLERS_MAX. */
	struct config_handler *handlers;
	size_t handlers_count;
	size_t handler_unknown; /* index of the one that takes the rest */

	/* What is allowed and may not be meant, each with its line, for `check`. */
	char **doubts;
	size_t doubts_count;

	/* What earlier reloads have put out of use, about 4 KiB each: texts of them may still be
	 * held, such as data_dir. Freed with this one. */
	struct config *retired;
};

enum {
	CONFIG_HANDLERS_MAX = 60,
	CONFIG_SOURCES_MAX = 64,
	CONFIG_FORWARD_MAX = 64,
	CONFIG_FLEET_MAX = 64,
	CONFIG_NODE_MAX = 9999,
	CONFIG_FORWARD_CONCURRENCY = 512, /* of all destinations together */
	CONFIG_PROCESSES_MAX = 32
};

enum config_mode {
	CONFIG_NO_SECRETS, /* secrets are checked for form only, not expanded, and wiped; variables
			    * that secrets name are wiped from this process's environment; those of
			    * secrets_file and token_file need not be set */
	CONFIG_SECRETS,    /* senders', the database's and redis', for the command line only; the
			  * environment stays */
	CONFIG_OPERATOR, /* for its verbs that need no sender's: the database's and redis', as far as
			  * the variables that they name are set; all others are wiped */
	CONFIG_SENDERS,  /* for the validator: senders' and redis'; others are wiped */
	CONFIG_DATABASE,     /* for what opens the state: the database's; others are wiped */
	CONFIG_DESTINATIONS, /* for forward: `headers`; others are wiped */
	CONFIG_LOOK,         /* as CONFIG_NO_SECRETS, but the environment stays as it is, for the
			      * processes that this one starts */
};

/* A file in data_dir that says that another node has adopted what is there (`trotline adopt`). */
#define CONFIG_ADOPTED_FILE "adopted"

/* Loads and checks a file. NULL with the cause, which names line and key where there is one. */
struct config *config_load(const char *path, enum config_mode mode, struct error *why);

/* The same with senders' secrets, and each source must pass the check, which knows what this does
 * not: whether its keys can be used. */
typedef bool config_check(const struct config_source *source, struct error *why);
struct config *config_load_checked(
	const char *path, enum config_mode mode, config_check *check, struct error *why);
void config_destroy(struct config **cfg);

/* Puts next's contents into live, which takes next over: live's address and all texts that it ever
 * held stay valid. What cannot change while running (listen, data_dir, processes, the handlers'
 * names and types, connections, memory, sizes on disk) stays as it was; its keys are listed in
 * kept, or "". */
void config_replace(struct config *live, struct config *next, struct error *kept);

/* -c's argument if not NULL, else $TROTLINE_CONFIG, else ./trotline.yaml. */
const char *config_path(const char *given);

/* Can only this machine reach a numeric address? */
bool config_is_loopback(const char *address);

/* Is there a history: for history.keep, or for a destination? While a process runs it stays as it
 * was when it began. */
bool config_keeps_history(const struct config *cfg);

/* A destination's URL, cut: where it leads. False with the cause, which does not quote it. */
struct config_place {
	bool tls;
	char host[256]; /* a name, or an address without brackets */
	uint64_t port;
};
bool config_place_of(const char *url, struct config_place *place, struct error *why);

/* The same of a Redis server: redis://[user:password@]host[:port][/db], or rediss:// for TLS. The user
 * and the password are parts of the URL, as they stand there; n 0: none. */
struct config_redis_place {
	struct config_place at;
	uint64_t db;
	struct slice user, password;
};
bool config_redis_place_of(const char *url, struct config_redis_place *place, struct error *why);

/* host:port/name out of a database's URL, for what stands before and behind may hold a password. {NULL, 0}: none is
 * there, or it cannot be told apart. */
struct slice config_database_place(const char *url);

/* Whom events are owed to: OWED_... */
unsigned config_owed(const struct config *cfg);

/* The destination of that name; NULL: there is none. */
const struct config_forward *config_forward_find(const struct config *cfg, const char *name);

/* Does it want such an event? By its globs, and `machine`. */
bool config_forward_wants(const struct config_forward *destination, struct slice type,
	struct slice source, bool machine);

/* Route number of an event type: the file's own rows first, then the built-in table, then unknown.
 */
size_t config_route(const struct config *cfg, struct slice type);

/* How an event type is tried again. */
const struct config_retry *config_retry_of(const struct config *cfg, struct slice type);

/* The source of that name, or NULL. */
const struct config_source *config_source_find(const struct config *cfg, struct slice name);

#endif
