/* errands - see errands.h. */
#include "errands.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "certificates.h"
#include "confirmations.h"
#include "kept.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

struct errands {
	char folder[KEPT_PATH_MAX];
	size_t instance, source;
	struct fetcher *fetcher;
	struct certificates *certificates;
	struct confirmations *confirmations;
};

static uint64_t
now_ms(void)
{
	return clock_wall_ms();
}

static void
put_down(struct errands *e)
{
	fetcher_destroy(&e->fetcher);
	certificates_destroy(&e->certificates);
	confirmations_destroy(&e->confirmations);
}

static bool
take_up(struct errands *e, struct error *why)
{
	if (e->confirmations)
		return true;
	fetch_prepare();
	error_set(why, "out of memory");
	e->fetcher = fetcher_new(fetch_https, NULL);
	if (e->fetcher)
		e->certificates = certificates_new(e->folder, e->fetcher, now_ms, why);
	if (e->certificates)
		e->confirmations =
			confirmations_new(e->folder, e->instance, e->fetcher, now_ms, why);
	if (e->confirmations)
		return true;
	put_down(e);
	return false;
}

static bool
take_up_or_log(struct errands *e)
{
	struct error why = {""};

	if (take_up(e, &why))
		return true;
	log_error("cannot fetch for SNS", LF_TEXT("cause", why.text));
	return false;
}

struct errands *
errands_new(const struct config *cfg, size_t instance)
{
	struct errands *e = calloc(1, sizeof *e);

	if (!e)
		return NULL;
	snprintf(e->folder, sizeof e->folder, "%s/certs", cfg->data_dir);
	e->instance = instance;
	if (access(e->folder, F_OK) == 0)
		take_up_or_log(e);
	return e;
}

void
errands_destroy(struct errands **errands)
{
	if (*errands)
		put_down(*errands);
	free(*errands);
	*errands = NULL;
}

void
errands_of(struct errands *e, size_t source)
{
	e->source = source;
}

struct slice
errands_certificate(void *arg, struct slice url)
{
	struct errands *e = arg;

	return take_up_or_log(e) ? certificates_get(e->certificates, url, e->source)
				 : (struct slice){NULL, 0};
}

struct slice
errands_certificate_known(void *arg, struct slice url)
{
	struct errands *e = arg;

	return e->certificates ? certificates_known(e->certificates, url) : (struct slice){NULL, 0};
}

bool
errands_confirm(struct errands *e, struct slice url, struct error *why)
{
	return take_up(e, why) && confirmations_add(e->confirmations, url, why);
}

void
errands_tick(struct errands *e)
{
	if (!e->confirmations)
		return;
	certificates_tick(e->certificates);
	confirmations_tick(e->confirmations);
}
