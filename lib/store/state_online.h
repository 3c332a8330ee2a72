/* state_online - what a PostgreSQL server says of itself, asked now; for `trotline check --online`. Changes nothing,
 * and makes nothing. */
#ifndef TROTLINE_STORE_STATE_ONLINE_H
#define TROTLINE_STORE_STATE_ONLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/config/config.h"

enum { STATE_ONLINE_TEXT = 128 };

enum state_pool {
	POOL_NONE,
	POOL_SESSION,     /* each of our connections has one of the server's */
	POOL_TRANSACTION, /* it has one for a transaction */
	POOL_STATEMENT,
	POOL_UNKNOWN, /* a pooler is between, and did not let itself be asked */
};

struct state_online {
	char server[STATE_ONLINE_TEXT]; /* host:port, database and role: what may be shown */
	int64_t version;                /* 150018 is 15.18 */
	int64_t schema;                 /* version of our tables; 0: there are none yet */
	int64_t known;                  /* what this program knows */
	bool may_create;                /* tables, where ours stand or would */
	bool may_write;  /* all tables of ours that there are; true where there are none */
	bool tls, local; /* local: over loopback or a socket */
	bool standby, read_only;
	char encoding[STATE_ONLINE_TEXT];
	char synchronous_commit[STATE_ONLINE_TEXT]; /* of the server or the role; we set our own */
	char fsync[STATE_ONLINE_TEXT], full_page_writes[STATE_ONLINE_TEXT];
	char standbys[STATE_ONLINE_TEXT]; /* synchronous_standby_names */
	int64_t connections_max, connections_free;
	int64_t clock_ms; /* how far its clock is ahead of ours */
	enum state_pool pool;
};

/* False with the cause: it cannot be asked. */
bool state_online(const struct config *cfg, struct state_online *out, struct error *why);

#endif
