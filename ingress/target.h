/* target - what a request line asks for; pure. */
#ifndef TROTLINE_INGRESS_TARGET_H
#define TROTLINE_INGRESS_TARGET_H

#include <stdbool.h>

#include "lib/config/config.h"
#include "refusals.h"

enum target_kind {
	TARGET_POST,    /* an event or a batch for a source */
	TARGET_ASK,     /* GET: what became of a batch */
	TARGET_PROBE,   /* GET or HEAD on a source's path */
	TARGET_HEALTH,  /* GET /webhooks/health */
	TARGET_METRICS, /* GET /metrics */
	TARGET_READY,   /* GET /readyz */
	TARGET_REFUSED,
};

struct target {
	enum target_kind kind;
	const struct config_source *source;
	bool batch;
	struct slice id;            /* TARGET_ASK: the batch's, within the path given */
	enum refusal_cause refused; /* TARGET_REFUSED: the path or the method */
	const char *allow;          /* 405: the methods that are allowed */
};

/* path: without the query; one slash at its end is passed over. */
struct target target_of(const struct config *cfg, const char *method, const char *path);

/* Does the path of a target, as it came, hold a slash that is written as %2F? Decoded it would part
 * what its sender, and a proxy that looks at it, take for one name: such a path is none of ours. */
bool target_hides_slash(const char *target);

#endif
