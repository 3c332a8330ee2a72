/* config_descriptors - see config_descriptors.h. */
#include "config_descriptors.h"

#include <string.h>

#include "config_processes.h"

/* An own end, twice a process, as one that comes back may be there before the one that went is
 * closed; the router's socket for a route; what ingress has for each validator alone. Counted at 24
 * and at 50 processes, of them 8 validators: ingress has 54 and 122, the router 110 and 133. */
enum { OWN = 32, A_PROCESS = 2, A_ROUTE = 4, A_VALIDATOR = 5, PIPES_A_PROCESS = 4 };
enum { PASSERS_BY = 32, LEAST = 8 };

static size_t
processes_of(const struct config *cfg)
{
	struct planned_process plan[PLAN_MAX];
	const size_t n = config_processes(cfg, plan);
	size_t processes = 0;

	for (size_t i = 0; i < n; i++)
		processes += plan[i].wanted > 0 ? plan[i].wanted : 1;
	return processes;
}

size_t
config_descriptors(const struct config *cfg, const char *stage)
{
	const size_t n = processes_of(cfg);

	if (strcmp(stage, "supervisord") == 0)
		return OWN + PIPES_A_PROCESS * n;
	if (strcmp(stage, "router") == 0)
		return OWN + A_PROCESS * n + A_ROUTE * cfg->handlers_count + PASSERS_BY;
	if (strcmp(stage, "ingress") == 0)
		return OWN + A_PROCESS * n + A_VALIDATOR * cfg->processes.validator + PASSERS_BY;
	return OWN + A_PROCESS * n + PASSERS_BY;
}

size_t
config_connections(const struct config *cfg, size_t wanted, size_t descriptors)
{
	const size_t others =
		config_descriptors(cfg, "ingress") + CONNECTIONS_PROBES + CONNECTIONS_CLOSING;

	if (descriptors < others + LEAST)
		return 0;
	return wanted < descriptors - others ? wanted : descriptors - others;
}

bool
config_connections_short(
	const struct config *cfg, size_t wanted, size_t descriptors, struct error *text)
{
	const size_t possible = config_connections(cfg, wanted, descriptors);

	if (possible == wanted)
		return false;
	error_set(text,
		"%zu connections instead of %zu: the system's limit is %zu descriptors, of which "
		"the pipeline needs %zu for itself; raise it (`ulimit -Hn`, LimitNOFILE=)",
		possible, wanted, descriptors, config_descriptors(cfg, "ingress"));
	return true;
}
