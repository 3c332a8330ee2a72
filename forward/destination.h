/* destination - one application that is to be told: what is known of it while the stage runs. */
#ifndef TROTLINE_FORWARD_DESTINATION_H
#define TROTLINE_FORWARD_DESTINATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "breaker.h"
#include "guard.h"
#include "item.h"
#include "lanes.h"
#include "lib/base/error.h"
#include "lib/base/standard_keys.h"
#include "lib/config/config.h"
#include "lib/stage/metrics.h"
#include "lib/store/forward.h"
#include "lib/store/history.h"
#include "pace.h"
#include "post.h"
#include "reading.h"

/* What the history was last told of a place; at_ms monotonic. */
struct pinned_place {
	uint64_t pos, at_ms;
};

/* A part of the history that it is to have (again). */
struct replay {
	struct replay *next;
	struct forward_job row; /* its texts are the replay's own */
	struct reading reading;
	struct pace pace;
	bool changed;
	struct pinned_place pinned;
	char texts[1024];
};

struct destination {
	struct destination *next;
	const struct config_forward *cfg;
	struct standard_keys *keys;
	struct guard *guard;
	struct post_target target;

	struct forward_destination row; /* as it is to be kept */
	bool changed;                   /* and is not yet */
	struct forward_owing owing;     /* as the store said a second ago at most */

	struct breaker breaker;
	struct pace pace;
	struct reading reading;
	struct replay *replays;
	struct items waiting;   /* owed and in memory: go first */
	struct items under_way; /* requests */
	struct lanes lanes;
	bool beyond;      /* its place was behind the end of the history a second ago */
	bool recount;     /* the lanes: an operator has taken rows away */
	uint64_t look_ms; /* when to look for rows that have become due */
	unsigned turn, probes;
	char trouble[ANSWER_WORDS];       /* why the last try failed, in one of few words */
	char told[METRIC_LABELS_MAX + 1]; /* which trouble its figures tell of */
	struct pinned_place pinned;
	struct stat keys_file; /* as it was read */
};

/* As the configuration has it: keys (made where there are none), guard. NULL with the cause, which names it. */
struct destination *destination_new(
	const struct config *cfg, const struct config_forward *own, struct error *why);
void destination_destroy(struct destination **d);

/* As it is kept; a new one begins where `from` says, which is kept at once; one that forward.db has lost, where its
 * pin in the history's folder says. */
bool destination_open(struct destination *d, struct forward *store, const char *history,
	uint64_t now_ms, struct error *why);

/* Takes over what another configuration of it says; `with` is emptied. */
void destination_change(struct destination *d, struct destination *with);

/* What operators have asked for since: rows, replays. */
bool destination_look(struct destination *d, struct forward *store, struct error *why);

/* A history that ends before its place is another one: removed and begun anew, or an older copy. It goes on with what
 * was accepted since its last success. Once a second. */
void destination_end(struct destination *d, struct history_view *view);

/* How much is owed of each lane, as the store has it, and who is behind nobody is due: after a commit. */
bool destination_recount(struct destination *d, struct forward *store, struct error *why);

/* Keys that were changed since are read again. */
void destination_keys(struct destination *d);

void destination_drop_replays(struct destination *d);
/* One that an operator has stopped: nothing of it is tried again. */
bool destination_has_stopped(const struct destination *d, uint64_t job);
struct replay *destination_replay(const struct destination *d, uint64_t job);

#endif
