/* remains - see remains.h. */
#include "remains.h"

#include <strings.h>

#include "lib/base/clock.h"
#include "lib/base/credential.h"
#include "lib/base/field.h"
#include "lib/base/log.h"
#include "lib/base/map.h"

enum {
	LOOK_MS = 10000,
	TELL_MS = 1000,
	HEADERS_BYTES = 2048, /* for all of them, for each item has its own copy */
	HEADER_BYTES = 512,
	LABELS_BYTES = 160,
};

/* ---- figures ---- */

static double *
count_of(struct remains *r, enum metric_family family, struct slice source, struct slice reason)
{
	char labels[LABELS_BYTES] = "";

	metric_label(labels, sizeof labels, "source", source);
	metric_label(labels, sizeof labels, "reason", reason);
	return metric(r->metrics, family, labels);
}

/* When a source last had something that nobody expects to be unread. */
static double *
last_of(struct remains *r, struct slice source)
{
	char labels[LABELS_BYTES] = "";

	metric_label(labels, sizeof labels, "source", source);
	return metric(r->metrics, METRIC_FAMILY_UNREAD_AT, labels);
}

/* Where many sources would make very many of them, a reason's own come with its first part. */
static void
open_figures(struct remains *r)
{
	for (size_t i = 0; i < r->cfg->sources_count; i++) {
		const struct slice source = slice_of(r->cfg->sources[i].name);
		const struct slice reason = slice_of(unread_reasons[0].word);

		count_of(r, METRIC_FAMILY_UNREAD, source, reason);
		count_of(r, METRIC_FAMILY_UNREAD_EXPIRED, source, reason);
		last_of(r, source);
	}
}

/* ---- life ---- */

void
remains_open(struct remains *r, struct stage *st, struct json_reader *json)
{
	struct metrics *metrics = st->metrics;

	*r = (struct remains){.cfg = st->cfg, .metrics = metrics, .json = json};
	r->trouble = (struct trouble){.st = st, .store = "unread"};
	trouble_open(&r->trouble);
	*metric(metrics, METRIC_FAMILY_UNREAD_ITEMS, "") = 0;
	*metric(metrics, METRIC_FAMILY_UNREAD_FULL, "") = 0;
	*metric(metrics, METRIC_FAMILY_UNREAD_BYTES, "") = 0;
	*metric(metrics, METRIC_FAMILY_UNREAD_LIMIT, "") = (double)st->cfg->unread.max_bytes;
	open_figures(r);
	remains_tick(r);
}

void
remains_close(struct remains *r)
{
	unread_close(&r->store);
}

void
remains_reload(struct remains *r)
{
	unread_close(&r->store);
	r->looked_ms = 0;
}

/* ---- what is told ---- */

/* One line a second: a sender whose every event is unread must not fill the log. */
static void
tell(struct remains *r, const struct job *job, const struct unread_part *part)
{
	const char *reason = unread_reasons[part->reason].word;
	const uint64_t now_ms = clock_mono_ms();

	++*count_of(r, METRIC_FAMILY_UNREAD, job->rq.source, slice_of(reason));
	if (unread_reasons[part->reason].news)
		*last_of(r, job->rq.source) = (double)clock_wall_ms() / 1e3;
	if (r->told_ms && now_ms - r->told_ms < TELL_MS) {
		r->untold++;
		return;
	}
	log_warn("unread", LF_SLICE("source", job->rq.source), LF_TEXT("reason", reason),
		LF_SLICE("detail", part->detail),
		LF_UINT("item", part->item == UNREAD_WHOLE ? 0 : part->item),
		LF_UINT("bytes", part->bytes.n), LF_UINT("more", r->untold));
	r->told_ms = now_ms;
	r->untold = 0;
}

static void
gauge(struct remains *r)
{
	struct unread_stat st;

	if (!unread_stat(r->store, false, &st))
		return;
	*metric(r->metrics, METRIC_FAMILY_UNREAD_ITEMS, "") = (double)st.count;
	*metric(r->metrics, METRIC_FAMILY_UNREAD_BYTES, "") = (double)st.used_bytes;
	*metric(r->metrics, METRIC_FAMILY_UNREAD_LIMIT, "") = (double)st.limit_bytes;
}

/* ---- one item ---- */

/* What the sender's machinery and the proof need is not needed to read it again. */
static bool
is_worth_keeping(const struct job *job, struct slice name, struct slice value)
{
	static const char *const passing[] = {"host", "accept", "accept-encoding", "connection",
		"content-length", "user-agent", "via", "forwarded"};
	static const char proxies[] = "x-forwarded-";

	if (name.n + value.n > HEADER_BYTES || credential_header(name, job->source->header))
		return false;
	for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
		if (name.n == strlen(passing[i]) && strncasecmp(name.p, passing[i], name.n) == 0)
			return false;
	return name.n < strlen(proxies) || strncasecmp(name.p, proxies, strlen(proxies)) != 0;
}

static msgpack_object
headers_of(struct job *job)
{
	const msgpack_object_array *all = &job->rq.headers.via.array;
	struct list kept = list_in(&job->zone);
	size_t bytes = 0;

	if (job->rq.headers.type != MSGPACK_OBJECT_ARRAY)
		return list_object(&kept);
	for (uint32_t i = 0; i < all->size; i++) {
		const msgpack_object *pair = all->ptr[i].via.array.ptr;
		const struct slice name = object_str(&pair[0]), value = object_str(&pair[1]);

		if (!is_worth_keeping(job, name, value) || bytes + name.n + value.n > HEADERS_BYTES)
			continue;
		bytes += name.n + value.n;
		list_add(&kept, all->ptr[i]);
	}
	return list_object(&kept);
}

/* The first event that was read from that item, or from one behind it: they are in its order. */
static size_t
first_of(const struct normals *normals, size_t item)
{
	size_t low = 0, high = normals->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (normals->list[middle].item < item)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What makes the events unique that are taken from the same part all the same. */
static msgpack_object
taken_from(struct job *job, const struct unread_part *part)
{
	const bool whole = part->item == UNREAD_WHOLE;
	struct list keys = list_in(&job->zone);

	for (size_t i = whole ? 0 : first_of(&job->normals, part->item); i < job->normals.count;
		i++) {
		const struct normal *ev = &job->normals.list[i];

		if (!whole && ev->item != part->item)
			break;
		if (!ev->fault && !ev->skipped)
			list_add(&keys, object_of_text(ev->dedup_key));
	}
	return list_object(&keys);
}

static enum store_rc
keep_part(
	struct remains *r, struct job *job, const struct unread_part *part, msgpack_object headers)
{
	const struct unread_item item = {
		.at = job->rq.received,
		.source = job->rq.source,
		.reason = slice_of(unread_reasons[part->reason].word),
		.detail = part->detail.p ? part->detail : slice_of(""),
		.target = job->rq.target,
		.batch = job->rq.batch,
		.listed = part->listed,
		.headers = headers,
		.taken = taken_from(job, part),
		.body = part->bytes,
	};
	uint64_t number;

	return unread_put(r->store, &item, &number, &job->why);
}

/* ---- a job, a group ---- */

static bool
has_remains(const struct job *job, enum remains_turn turn)
{
	const enum remains_turn its = job->proof.token.p ? REMAINS_ENTERED : REMAINS_PROVED;

	return its == turn && job->refusal == REFUSED_NOT && !job->anew &&
	       job->normals.unread_count > 0;
}

static enum store_rc
keep_job(struct remains *r, struct job *job)
{
	const msgpack_object headers = headers_of(job);
	enum store_rc rc = STORE_OK;

	if (!normals_unread_bytes(&job->normals, r->json, &job->zone)) {
		error_set(&job->why, "out of memory");
		rc = STORE_FULL; /* it alone */
	}
	for (size_t i = 0; rc == STORE_OK && i < job->normals.unread_count; i++)
		rc = keep_part(r, job, &job->normals.unread[i], headers);
	if (rc != STORE_OK)
		job->refusal = REFUSED_UNAVAILABLE;
	return rc;
}

static void
refuse(struct job *const *jobs, size_t n, enum remains_turn turn, const struct error *why)
{
	for (size_t i = 0; i < n; i++) {
		if (!has_remains(jobs[i], turn))
			continue;
		jobs[i]->refusal = REFUSED_UNAVAILABLE;
		jobs[i]->why = *why;
	}
}

static enum store_rc
keep_all(struct remains *r, struct job *const *jobs, size_t n, enum remains_turn turn,
	struct error *why)
{
	double *full = metric(r->metrics, METRIC_FAMILY_UNREAD_FULL, "");
	enum store_rc rc = unread_begin(r->store, why);
	bool refused = false;

	for (size_t i = 0; rc != STORE_FAILED && i < n; i++) {
		if (!has_remains(jobs[i], turn))
			continue;
		rc = keep_job(r, jobs[i]);
		refused |= rc == STORE_FULL;
		if (rc == STORE_FAILED)
			*why = jobs[i]->why;
	}
	if (rc != STORE_FAILED)
		rc = unread_commit(r->store, why);
	*full = refused || rc == STORE_FULL;
	return rc;
}

/* After its deadline ingress has answered: what comes of it is nobody's any more. */
static bool
any_has_remains(struct job *const *jobs, size_t n, enum remains_turn turn)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (!has_remains(jobs[i], turn))
			continue;
		if (turn == REMAINS_PROVED && clock_mono_ms() > jobs[i]->rq.deadline) {
			jobs[i]->refusal = REFUSED_LATE;
			error_set(&jobs[i]->why, "no verdict in time");
		} else {
			any = true;
		}
	}
	return any;
}

void
remains_keep(struct remains *r, struct job *const *jobs, size_t n, enum remains_turn turn)
{
	struct error why = {"cannot store what is unread"};

	if (!any_has_remains(jobs, n, turn))
		return;
	if (!r->store)
		r->store = unread_open(r->cfg, UNREAD_KEEP, &why);
	/* After a failure LMDB wants its environment opened anew. */
	if (!r->store || keep_all(r, jobs, n, turn, &why) != STORE_OK) {
		trouble_met(&r->trouble, store_last_cause(), &why);
		refuse(jobs, n, turn, &why);
		unread_close(&r->store);
		log_error("what is unread cannot be kept", LF_TEXT("cause", why.text));
		return;
	}
	trouble_met(&r->trouble, CAUSE_NONE, &why);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; has_remains(jobs[i], turn) && k < jobs[i]->normals.unread_count;
			k++)
			tell(r, jobs[i], &jobs[i]->normals.unread[k]);
	gauge(r);
}

/* ---- now and then ---- */

static bool
count_expired(void *arg, const struct unread_item *item)
{
	++*count_of(arg, METRIC_FAMILY_UNREAD_EXPIRED, item->source, item->reason);
	return true;
}

static void
expire(struct remains *r)
{
	struct error why = {""};
	size_t gone;

	if (unread_expire(r->store, clock_wall_ms(), count_expired, r, &gone, &why) != STORE_OK) {
		log_warn("what is unread and old stays", LF_TEXT("cause", why.text));
		unread_close(&r->store);
	} else if (gone) {
		log_warn("unread expired", LF_UINT("count", gone));
		r->looked_ms = 0; /* there may be more: again with the next tick */
	}
}

void
remains_tick(struct remains *r)
{
	const uint64_t now_ms = clock_mono_ms();
	struct error why = {""};

	trouble_rest(&r->trouble);
	if (r->looked_ms && now_ms - r->looked_ms < LOOK_MS)
		return;
	r->looked_ms = now_ms;
	if (!r->store && unread_is_there(r->cfg))
		r->store = unread_open(r->cfg, UNREAD_KEEP, &why);
	if (r->store)
		expire(r);
	if (r->store)
		gauge(r);
}
