/* check_online - see check_online.h. */
#include "check_online.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/ops/online.h"
#include "text.h"

/* ---- as text ---- */

struct printing {
	uint64_t faults, told;
	char of[32], name[256]; /* whose findings were printed last */
};

static void
print_head(struct printing *p, const struct online_finding *f)
{
	if (p->told++ && strcmp(p->of, f->of) == 0 && strcmp(p->name, f->name) == 0)
		return;
	snprintf(p->of, sizeof p->of, "%s", f->of);
	snprintf(p->name, sizeof p->name, "%s", f->name);
	printf("  %s %s\n", f->of, f->name);
}

static void
print_finding(void *arg, const struct online_finding *f)
{
	struct printing *p = arg;

	print_head(p, f);
	p->faults += f->level == ONLINE_FAULT;
	printf("    %-5s %-26s ", f->level == ONLINE_FAULT ? "FAULT" : online_words[f->level],
		f->what);
	text_print(slice_of(f->is), 0);
	putchar('\n');
	if (f->level != ONLINE_FAULT)
		return;
	if (*f->should)
		printf("          should be: %s\n", f->should);
	if (*f->how)
		printf("          how: %s\n", f->how);
}

static struct config *
load(const char *path, struct error *why)
{
	return config_load(path, CONFIG_OPERATOR, why);
}

bool
check_online(const char *path, uint64_t *faults, struct error *why)
{
	struct config *cfg = load(path, why);
	struct printing p = {.faults = 0};

	if (!cfg)
		return false;
	puts("\nonline");
	online_look(cfg, print_finding, &p);
	if (!p.told)
		puts("  nothing is configured that is outside of this machine");
	config_destroy(&cfg);
	*faults = p.faults;
	return true;
}

/* ---- as an object ---- */

struct listing {
	struct list all;
	uint64_t faults;
};

static void
list_finding(void *arg, const struct online_finding *f)
{
	struct listing *l = arg;
	struct map m = map_in(l->all.zone);

	l->faults += f->level == ONLINE_FAULT;
	map_text(&m, "of", slice_of(f->of));
	map_text(&m, "name", slice_of(f->name));
	map_text(&m, "what", slice_of(f->what));
	map_text(&m, "level", slice_of(online_words[f->level]));
	map_text(&m, "is", slice_of(f->is));
	map_text(&m, "should", slice_of(f->should));
	map_text(&m, "how", slice_of(f->how));
	list_add(&l->all, map_object(&m));
}

bool
check_online_object(const char *path, msgpack_zone *zone, msgpack_object *out, uint64_t *faults,
	struct error *why)
{
	struct config *cfg = load(path, why);
	struct listing l = {.all = list_in(zone)};
	struct map m = map_in(zone);

	if (!cfg)
		return false;
	online_look(cfg, list_finding, &l);
	config_destroy(&cfg);
	map_bool(&m, "good", l.faults == 0);
	map_uint(&m, "faults", l.faults);
	map_put(&m, "findings", list_object(&l.all));
	*out = map_object(&m);
	*faults = l.faults;
	return true;
}
