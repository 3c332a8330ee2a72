/* target - see target.h. */
#include "target.h"

#include <string.h>
#include <strings.h>

static const char PREFIX[] = "/webhooks/", BATCH[] = "/batch";

static bool
is_read(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static struct target
refused(enum refusal_cause cause, const char *allow)
{
	return (struct target){.kind = TARGET_REFUSED, .refused = cause, .allow = allow};
}

static struct target
read_only(enum target_kind kind, const char *method)
{
	const struct target t = {.kind = kind};

	return is_read(method) ? t : refused(REFUSAL_METHOD, "GET, HEAD");
}

/* "email" or "email/batch" */
static const struct config_source *
source_of(const struct config *cfg, struct slice name, bool *batch)
{
	const size_t tail = sizeof BATCH - 1;

	*batch = name.n > tail && memcmp(name.p + name.n - tail, BATCH, tail) == 0;
	if (*batch)
		name.n -= tail;
	return config_source_find(cfg, name);
}

/* "email/batch/<id>" */
static const struct config_source *
asked_source(const struct config *cfg, struct slice name, struct slice *id)
{
	const char *batch = memmem(name.p, name.n, BATCH, sizeof BATCH - 1);
	const char *at = batch ? batch + sizeof BATCH : NULL;

	if (!at || at >= name.p + name.n || at[-1] != '/')
		return NULL;
	*id = (struct slice){at, (size_t)(name.p + name.n - at)};
	return config_source_find(cfg, (struct slice){name.p, (size_t)(batch - name.p)});
}

static struct target
source_target(const struct config *cfg, const char *method, struct slice name)
{
	struct target t = {.kind = TARGET_POST};

	t.source = asked_source(cfg, name, &t.id);
	if (t.source) {
		t.kind = TARGET_ASK;
		return strcmp(method, "GET") == 0 ? t : refused(REFUSAL_METHOD, "GET");
	}
	t.source = source_of(cfg, name, &t.batch);
	if (!t.source)
		return refused(REFUSAL_PATH, NULL);
	if (is_read(method))
		t.kind = TARGET_PROBE;
	else if (strcmp(method, "POST") != 0)
		return refused(REFUSAL_METHOD, "GET, HEAD, POST");
	return t;
}

struct target
target_of(const struct config *cfg, const char *method, const char *path)
{
	struct slice s = slice_of(path);

	if (s.n > 1 && s.p[s.n - 1] == '/')
		s.n--;
	if (cfg->public_pages && slice_is(s, "/metrics"))
		return read_only(TARGET_METRICS, method);
	if (cfg->public_pages && slice_is(s, "/webhooks/health"))
		return read_only(TARGET_HEALTH, method);
	if (slice_is(s, "/readyz"))
		return read_only(TARGET_READY, method);
	if (slice_is(s, "*")) /* all of the server */
		return refused(REFUSAL_METHOD, "GET, HEAD, POST");
	if (!slice_starts(s, PREFIX))
		return refused(REFUSAL_PATH, NULL);
	return source_target(
		cfg, method, (struct slice){s.p + sizeof PREFIX - 1, s.n - (sizeof PREFIX - 1)});
}

bool
target_hides_slash(const char *target)
{
	const size_t n = strcspn(target, "?");

	for (size_t i = 0; i + 2 < n; i++)
		if (strncasecmp(target + i, "%2f", 3) == 0)
			return true;
	return false;
}
