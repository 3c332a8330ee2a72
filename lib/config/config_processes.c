/* config_processes - see config_processes.h. */
#include "config_processes.h"

#include <stdio.h>

static uint64_t
wanted(const struct config *cfg, enum process_count count)
{
	switch (count) {
	case COUNT_INGRESS:
		return cfg->processes.ingress;
	case COUNT_VALIDATOR:
		return cfg->processes.validator;
	case COUNT_ROUTER:
		return cfg->processes.router;
	case COUNT_HISTORY:
		return config_keeps_history(cfg) ? 1 : 0;
	default:
		return 1;
	}
}

static void
plan_one(struct planned_process *to, const struct process_row *row,
	const struct config_handler *handler, uint64_t n)
{
	*to = (struct planned_process){.row = row, .handler = handler, .wanted = n};
	snprintf(to->name, sizeof to->name, "%s%s", row->name, handler ? handler->name : "");
}

size_t
config_processes(const struct config *cfg, struct planned_process plan[PLAN_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < PROCESSES_COUNT; i++) {
		const struct process_row *row = &process_table[i];

		if (row->count == COUNT_HISTORY && !wanted(cfg, row->count))
			continue;
		if (row->count != COUNT_HANDLERS) {
			plan_one(&plan[n++], row, NULL, wanted(cfg, row->count));
			continue;
		}
		for (size_t k = 0; k < cfg->handlers_count; k++)
			plan_one(&plan[n++], row, &cfg->handlers[k], cfg->handlers[k].processes);
	}
	return n;
}
