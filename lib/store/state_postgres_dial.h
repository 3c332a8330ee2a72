/* state_postgres_dial - a connection to PostgreSQL that waits: for the command line, not for handlers. */
#ifndef TROTLINE_STORE_STATE_POSTGRES_DIAL_H
#define TROTLINE_STORE_STATE_POSTGRES_DIAL_H

#include "state_postgres_private.h"

/* NULL with the cause, in which no password stands. PQfinish it. */
PGconn *pg_dial(const struct config *cfg, struct error *why);

/* One query that gives rows; NULL with the cause. PQclear it. */
PGresult *pg_ask(PGconn *conn, const char *sql, struct error *why);

/* One command, or several. */
bool pg_do(PGconn *conn, const char *sql, struct error *why);

/* The connection's last words, on one line. */
bool pg_blame(PGconn *conn, const char *what, struct error *why);

#endif
