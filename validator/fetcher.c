/* fetcher - see fetcher.h. The lists are the two threads' only common ground, behind one mutex. */
#include "fetcher.h"

#include <pthread.h>
#include <stdlib.h>

struct errand {
	struct errand *next;
	fetch_done *done;
	void *arg;
	bool ok;
	struct error why;
	struct fetched got;
	size_t n;
	char url[FETCH_URL_MAX + 1];
};

/* First in, first out. */
struct queue {
	struct errand *first, **end;
};

struct fetcher {
	fetch_function *fetch;
	void *fetch_arg;
	size_t under_way; /* the loop's own */
	bool started;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t work;
	atomic_bool stop;
	struct queue waiting, ended;
};

static void
queue_init(struct queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void
queue_add(struct queue *q, struct errand *errand)
{
	errand->next = NULL;
	*q->end = errand;
	q->end = &errand->next;
}

static struct errand *
queue_take(struct queue *q)
{
	struct errand *errand = q->first;

	if (errand) {
		q->first = errand->next;
		if (!q->first)
			q->end = &q->first;
	}
	return errand;
}

struct fetcher *
fetcher_new(fetch_function *fetch, void *fetch_arg)
{
	struct fetcher *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->fetch = fetch;
	f->fetch_arg = fetch_arg;
	queue_init(&f->waiting);
	queue_init(&f->ended);
	atomic_init(&f->stop, false);
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->work, NULL);
	return f;
}

/* Waits for the next errand; NULL when it is time to end. */
static struct errand *
next_errand(struct fetcher *f)
{
	struct errand *errand = NULL;

	pthread_mutex_lock(&f->mutex);
	while (!atomic_load(&f->stop) && !(errand = queue_take(&f->waiting)))
		pthread_cond_wait(&f->work, &f->mutex);
	pthread_mutex_unlock(&f->mutex);
	return errand;
}

static void *
run(void *arg)
{
	struct fetcher *f = arg;
	struct errand *errand;

	while ((errand = next_errand(f))) {
		errand->ok =
			f->fetch(f->fetch_arg, errand->url, &f->stop, &errand->got, &errand->why);
		pthread_mutex_lock(&f->mutex);
		queue_add(&f->ended, errand);
		pthread_mutex_unlock(&f->mutex);
	}
	return NULL;
}

static void
free_queue(struct queue *q)
{
	struct errand *errand;

	while ((errand = queue_take(q)))
		free(errand);
}

void
fetcher_destroy(struct fetcher **fetcher)
{
	struct fetcher *f = *fetcher;

	if (!f)
		return;
	pthread_mutex_lock(&f->mutex);
	atomic_store(&f->stop, true);
	pthread_cond_signal(&f->work);
	pthread_mutex_unlock(&f->mutex);
	if (f->started)
		pthread_join(f->thread, NULL);
	free_queue(&f->waiting);
	free_queue(&f->ended);
	pthread_cond_destroy(&f->work);
	pthread_mutex_destroy(&f->mutex);
	free(f);
	*fetcher = NULL;
}

bool
fetcher_send(struct fetcher *f, struct slice url, fetch_done *done, void *arg)
{
	struct errand *errand;

	if (f->under_way == FETCHES_MAX || url.n > FETCH_URL_MAX || memchr(url.p, 0, url.n))
		return false;
	if (!f->started)
		f->started = pthread_create(&f->thread, NULL, run, f) == 0;
	errand = f->started ? calloc(1, sizeof *errand) : NULL;
	if (!errand)
		return false;
	errand->done = done;
	errand->arg = arg;
	errand->n = url.n;
	memcpy(errand->url, url.p, url.n);
	f->under_way++;
	pthread_mutex_lock(&f->mutex);
	queue_add(&f->waiting, errand);
	pthread_cond_signal(&f->work);
	pthread_mutex_unlock(&f->mutex);
	return true;
}

bool
fetcher_busy(const struct fetcher *f)
{
	return f->under_way > 0;
}

void
fetcher_poll(struct fetcher *f)
{
	struct errand *errand;

	while (f->under_way > 0) {
		pthread_mutex_lock(&f->mutex);
		errand = queue_take(&f->ended);
		pthread_mutex_unlock(&f->mutex);
		if (!errand)
			return;
		f->under_way--;
		errand->done(errand->arg, (struct slice){errand->url, errand->n},
			errand->ok ? &errand->got : NULL, &errand->why);
		free(errand);
	}
}
