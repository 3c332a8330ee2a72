/* check_destinations - see check_destinations.h. Of a URL no more than scheme, host and path is shown: the rest may
 * be a secret. */
#include "check_destinations.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/base/standard_keys.h"

static bool
is_missing(const struct config_forward *f)
{
	return access(f->secrets_file, F_OK) != 0 && errno == ENOENT;
}

bool
check_keys(const struct config *cfg, struct error *why)
{
	for (size_t i = 0; i < cfg->forward_count; i++) {
		const struct config_forward *f = &cfg->forward[i];
		struct standard_keys *keys;

		if (is_missing(f))
			continue;
		keys = standard_keys_read(f->secrets_file, why);
		if (!keys)
			return error_wrap(
				why, "%s: forward[%zu].secrets_file (%s)", cfg->path, i, f->name);
		standard_keys_destroy(&keys);
	}
	return true;
}

static struct slice
shown_url(const struct config_forward *f)
{
	return (struct slice){f->url, strcspn(f->url, "?#")};
}

static size_t
live_keys(const struct config_forward *f)
{
	struct error why;
	struct standard_keys *keys =
		is_missing(f) ? NULL : standard_keys_read(f->secrets_file, &why);
	const size_t live = keys ? standard_keys_facts(keys, clock_wall_ms()).live : 0;

	standard_keys_destroy(&keys);
	return live;
}

static msgpack_object
texts_object(char **texts, size_t n, msgpack_zone *zone)
{
	struct list l = list_in(zone);

	for (size_t i = 0; i < n; i++)
		list_add(&l, object_of_text(slice_in(zone, slice_of(texts[i]))));
	return list_object(&l);
}

msgpack_object
check_destinations_object(const struct config *cfg, msgpack_zone *zone)
{
	struct list l = list_in(zone);

	for (size_t i = 0; i < cfg->forward_count; i++) {
		const struct config_forward *f = &cfg->forward[i];
		struct map m = map_in(zone);

		map_text(&m, "name", slice_of(f->name));
		map_text(&m, "url", shown_url(f));
		map_put(&m, "types", texts_object(f->types, f->types_count, zone));
		map_put(&m, "sources", texts_object(f->sources, f->sources_count, zone));
		map_put(&m, "network", texts_object(f->network, f->network_count, zone));
		map_uint(&m, "secrets", live_keys(f));
		map_bool(&m, "secret_missing", is_missing(f));
		list_add(&l, map_object(&m));
	}
	return list_object(&l);
}

static void
print_texts(const char *what, char **texts, size_t n)
{
	printf("; %s ", what);
	for (size_t i = 0; i < n; i++)
		printf("%s%s", i ? ", " : "", texts[i]);
	if (!n)
		fputs("all", stdout);
}

void
check_print_destinations(const struct config *cfg)
{
	if (cfg->forward_count)
		puts("\ndestinations");
	for (size_t i = 0; i < cfg->forward_count; i++) {
		const struct config_forward *f = &cfg->forward[i];
		const size_t live = live_keys(f);

		printf("  %-16s POST %.*s", f->name, SLICE_ARG(shown_url(f)));
		print_texts("types", f->types, f->types_count);
		print_texts("sources", f->sources, f->sources_count);
		print_texts("network", f->network, f->network_count);
		if (is_missing(f))
			printf("; a secret will be made in %s\n", f->secrets_file);
		else
			printf("; %zu secret%s\n", live, live == 1 ? "" : "s");
	}
}

/* Without it no certificate is one. */
static void
warn_of_authority(const struct config_forward *f)
{
	if (f->ca_file && access(f->ca_file, R_OK) != 0)
		fprintf(stderr, "trotline check: warning: destination %s: cannot read %s: %s\n",
			f->name, f->ca_file, strerror(errno));
}

/* Warnings: forward may be given variables, and files, that nobody else has. */
void
check_warn_of_destinations(const struct config *cfg)
{
	struct error why = {""};
	struct config *whole;

	if (cfg->forward_count == 0)
		return;
	for (size_t i = 0; i < cfg->forward_count; i++)
		warn_of_authority(&cfg->forward[i]);
	whole = config_load(cfg->path, CONFIG_DESTINATIONS, &why);
	if (!whole)
		fprintf(stderr, "trotline check: warning: %s here; forward needs it\n", why.text);
	config_destroy(&whole);
}
