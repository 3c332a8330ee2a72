/* target - see target.h. */
#include "target.h"

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
source_of(const struct config *cfg, const char *name, bool *batch)
{
	struct slice s = slice_of(name);
	const size_t tail = sizeof BATCH - 1;

	*batch = s.n > tail && strcmp(name + s.n - tail, BATCH) == 0;
	if (*batch)
		s.n -= tail;
	return config_source_find(cfg, s);
}

/* "email/batch/<id>" */
static const struct config_source *
asked_source(const struct config *cfg, const char *name, const char **id)
{
	const char *batch = strstr(name, BATCH);

	if (!batch || batch[sizeof BATCH - 1] != '/' || !batch[sizeof BATCH])
		return NULL;
	*id = batch + sizeof BATCH;
	return config_source_find(cfg, (struct slice){name, (size_t)(batch - name)});
}

struct target
target_of(const struct config *cfg, const char *method, const char *path)
{
	struct target t = {.kind = TARGET_POST};

	if (strcmp(path, "/metrics") == 0)
		return read_only(TARGET_METRICS, method);
	if (strcmp(path, "/webhooks/health") == 0)
		return read_only(TARGET_HEALTH, method);
	if (strncmp(path, PREFIX, sizeof PREFIX - 1) != 0)
		return refused(REFUSAL_PATH, NULL);
	t.source = asked_source(cfg, path + sizeof PREFIX - 1, &t.id);
	if (t.source) {
		t.kind = TARGET_ASK;
		return strcmp(method, "GET") == 0 ? t : refused(REFUSAL_METHOD, "GET");
	}
	t.source = source_of(cfg, path + sizeof PREFIX - 1, &t.batch);
	if (!t.source)
		return refused(REFUSAL_PATH, NULL);
	if (is_read(method))
		t.kind = TARGET_PROBE;
	else if (strcmp(method, "POST") != 0)
		return refused(REFUSAL_METHOD, "GET, HEAD, POST");
	return t;
}
