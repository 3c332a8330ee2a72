/* fingerprints - see fingerprints.h. */
#include "fingerprints.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/map.h"

enum { GUESSED_BELOW = 16, PRINT_BYTES = 8, FILE_MOST = 1 << 20 };

/* Under the source's name, so that two sources with one secret do not show it. */
static msgpack_object
print_of(const char *source, const char *secret, msgpack_zone *zone)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char key[128], text[2 * PRINT_BYTES + 1];
	const int n = snprintf(key, sizeof key, "trotline fingerprint %s", source);
	unsigned size = 0;

	if (strlen(secret) < GUESSED_BELOW ||
		!HMAC(EVP_sha256(), key, n, (const unsigned char *)secret, strlen(secret), digest,
			&size))
		return (msgpack_object){.type = MSGPACK_OBJECT_NIL};
	for (size_t i = 0; i < PRINT_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	return object_of_text(slice_in(zone, slice_of(text)));
}

static msgpack_object
of_source(const struct config_source *source, msgpack_zone *zone)
{
	struct list prints = list_in(zone);

	for (size_t i = 0; i < source->secrets_count; i++)
		list_add(&prints, print_of(source->name, source->secrets[i], zone));
	return list_object(&prints);
}

static msgpack_object
of_redis(const struct config *cfg, msgpack_zone *zone)
{
	struct config_redis_place place;
	struct list servers = list_in(zone);
	struct error why;
	char text[320];

	for (size_t i = 0; i < cfg->redis.urls_count; i++) {
		if (!config_redis_place_of(cfg->redis.urls[i], &place, &why))
			continue;
		snprintf(text, sizeof text, "%s:%llu/%llu", place.at.host,
			(unsigned long long)place.at.port, (unsigned long long)place.db);
		list_add(&servers, object_of_text(slice_in(zone, slice_of(text))));
	}
	return list_object(&servers);
}

msgpack_object
fingerprints_object(const struct config *cfg, msgpack_zone *zone)
{
	struct map all = map_in(zone), sources = map_in(zone);

	for (size_t i = 0; i < cfg->sources_count; i++)
		map_put(&sources, slice_in(zone, slice_of(cfg->sources[i].name)).p,
			of_source(&cfg->sources[i], zone));
	map_put(&all, "sources", map_object(&sources));
	map_put(&all, "redis", of_redis(cfg, zone));
	return map_object(&all);
}

static void
path_of(const struct config *cfg, char out[4096])
{
	snprintf(out, 4096, "%s/run/fingerprints", cfg->data_dir);
}

bool
fingerprints_write(const struct config *cfg, struct error *why)
{
	msgpack_object object;
	msgpack_zone zone;
	char path[4096], *text;
	bool good;

	path_of(cfg, path);
	msgpack_zone_init(&zone, 4096);
	object = fingerprints_object(cfg, &zone);
	text = json_write(&object, false);
	good = text ? file_replace(path, (struct slice[]){slice_of(text)}, 1, false, why)
		    : error_set(why, "out of memory");
	free(text);
	msgpack_zone_destroy(&zone);
	return good;
}

msgpack_object
fingerprints_read(const struct config *cfg, msgpack_zone *zone)
{
	msgpack_object object = {.type = MSGPACK_OBJECT_NIL};
	struct json_reader *reader = json_reader_new();
	struct error why;
	char path[4096], *text;
	size_t n = 0;

	path_of(cfg, path);
	text = reader ? file_read(path, FILE_MOST, &n, &why) : NULL;
	if (!text || !json_read(reader, (struct slice){text, n}, zone, &object, &why))
		object = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
	free(text);
	json_reader_destroy(&reader);
	return object;
}
