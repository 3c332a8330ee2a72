/* config_processes - what a configuration runs: the table of processes with its numbers. */
#ifndef TROTLINE_CONFIG_PROCESSES_H
#define TROTLINE_CONFIG_PROCESSES_H

#include "config.h"
#include "proto/processes.h"

enum { PROCESS_NAME_BYTES = 80 };

struct planned_process {
	const struct process_row *row;
	char name[PROCESS_NAME_BYTES];        /* "validator", "handler-bounced" */
	const struct config_handler *handler; /* or NULL */
	uint64_t wanted; /* processes; 0 for a handler that is started by hand */
};

enum { PLAN_MAX = PROCESSES_COUNT + CONFIG_HANDLERS_MAX };

/* Every process of the table, each handler by itself, front of the pipeline first. Returns how
 * many. */
size_t config_processes(const struct config *cfg, struct planned_process plan[PLAN_MAX]);

#endif
