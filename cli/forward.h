/* forward - what the actions of `trotline forward` and `trotline replay` share. */
#ifndef TROTLINE_CLI_FORWARD_H
#define TROTLINE_CLI_FORWARD_H

#include "cli.h"
#include "lib/ops/forward_look.h"

struct forward_request {
	const char *name, *event, *to, *output;
	uint64_t limit, to_ms;
	bool json, now, force, yes, all, dry_run;
	const char *const *ids; /* of dlq */
	size_t ids_count;
};

/* Opens what there is, runs fn on it, closes it; returns its exit code. */
typedef int forward_fn(struct call *call, struct forward_look *l);
int forward_with(struct call *call, enum forward_use use, forward_fn *fn);

/* What came of it as an exit code, the cause told. */
int forward_ended(const struct call *call, enum ops_found found, const struct error *why);

/* Does the stage run? */
bool forward_runs(const struct call *call);
/* Says on stderr that nothing is sent until it does, where it does not. */
void forward_tell_down(const struct call *call);

/* Does the operator want it? `what` is asked about on a terminal; elsewhere only --yes (yes) says so. */
bool forward_confirmed(const struct call *call, bool yes, const char *what);

/* The number of a map's key; 0 where there is none. */
uint64_t forward_figure(const msgpack_object *map, const char *key);

/* ---- actions ---- */

int forward_list(struct call *call);
int forward_show(struct call *call);
int forward_attempts_list(struct call *call);
int forward_test(struct call *call);
int forward_dlq_check(struct call *call);
int forward_dlq(struct call *call);

#endif
