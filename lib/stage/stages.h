/* stages - which processes of a pipeline run, by the locks that each holds in run/. */
#ifndef TROTLINE_STAGE_STAGES_H
#define TROTLINE_STAGE_STAGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/config/config.h"

struct live_stage {
	char name[80];
	size_t instance;
	pid_t pid;
};

enum { STAGES_MAX = 512 };

struct live_stages {
	struct live_stage list[STAGES_MAX];
	size_t n;
};

/* The processes that run now, front of the pipeline first: the order in which a drain asks them. */
void stages_find(const struct config *cfg, struct live_stages *out);

/* While somebody holds the lock of that name, ingress takes nothing new. */
#define STAGES_CLOSED "closed"

/* The process that holds run/<name>.lock, or 0. */
pid_t stages_holder(const struct config *cfg, const char *name);

/* Was what is in data_dir adopted by another node (`trotline adopt`)? CONFIG_ADOPTED_FILE says so, to processes
 * that do not open the journal too. Then nothing starts there again: *why says to whom it went. */
bool stages_adopted(const struct config *cfg, struct error *why);

/* Does it still run? */
bool stage_lives(const struct config *cfg, const struct live_stage *stage);

#endif
