/* online_destinations - is there a way to each destination? Name, connection, TLS; no request is made. */
#include <stdio.h>

#include "lib/base/fetch.h"
#include "online_private.h"

enum { TEXT = 300 };

static void
reach(struct online *o, const struct config_forward *to)
{
	const struct fetch_limits limits = {.timeout_ms = to->timeout_ms, .plain = true};
	struct fetch *f = fetch_new(&limits);
	struct error why = {"out of memory"};
	uint64_t took_ms = 0;
	char is[TEXT];

	o->name = to->name;
	if (f && fetch_reach(f, to->url, to->ca_file, &took_ms, &why)) {
		snprintf(is, sizeof is, "connects%s in %llu ms",
			to->url[4] == 's' ? ", with a good certificate," : "",
			(unsigned long long)took_ms);
		online_tell(o, "reach", ONLINE_GOOD, is, "connects", "");
	} else {
		online_tell(o, "reach", ONLINE_FAULT, why.text, "connects",
			"its url and ca_file, its name in DNS, a firewall between, or the application itself");
	}
	fetch_destroy(&f);
}

void
online_destinations(struct online *o)
{
	o->of = "destination";
	for (size_t i = 0; i < o->cfg->forward_count; i++)
		reach(o, &o->cfg->forward[i]);
}
