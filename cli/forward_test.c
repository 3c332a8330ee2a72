/* forward_test - `trotline forward test`: the stage sends one event, and what came of it is told here. */
#include <stdio.h>
#include <time.h>

#include "forward.h"
#include "interrupt.h"
#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/base/object.h"
#include "lib/ops/forward_act.h"
#include "text.h"

enum { POLL_MS = 50, MORE_MS = 2000 };

/* Whatever a receiver answers may be no text. */
static void
print_bytes(struct slice bytes)
{
	char text[FORWARD_ANSWER];
	const size_t n = bytes.n < sizeof text ? bytes.n : sizeof text;

	if (json_is_text(bytes)) {
		text_print(bytes, 0);
		return;
	}
	for (size_t i = 0; i < n; i++)
		text[i] = (unsigned char)bytes.p[i] < 0x80 ? bytes.p[i] : '?';
	text_print((struct slice){text, n}, 0);
}

static void
print_answer(const struct forward_request *rq, const msgpack_object *row)
{
	const uint64_t status = forward_figure(row, "status");
	const struct slice cause = field_str(row, "cause"), answer = field_str(row, "answer");

	printf("%s: ", rq->name);
	if (status)
		printf("answered %llu", (unsigned long long)status);
	else
		printf("no answer");
	printf(" after %llu ms", (unsigned long long)forward_figure(row, "took_ms"));
	if (cause.n) {
		printf(": ");
		text_print(cause, 0);
	}
	printf("\n  sent    ");
	text_print(field_str(row, "type"), 0);
	printf(", ");
	text_print(field_str(row, "id"), 0);
	if (answer.n) {
		printf("\n  answer  ");
		print_bytes(answer);
	}
	putchar('\n');
}

/* Until it is there, or time is over. */
static enum ops_found
await(const struct forward_request *rq, struct forward_look *l, uint64_t ask, msgpack_zone *zone,
	msgpack_object *row, struct error *why)
{
	const struct config_forward *own = config_forward_find(l->cfg, rq->name);
	const uint64_t wait_ms = (own ? own->timeout_ms : 0) + MORE_MS;
	const uint64_t end_ms = clock_mono_ms() + wait_ms;
	enum ops_found found;

	interrupt_catch();
	while ((found = forward_act_answer(l, rq->name, ask, zone, row, why)) == OPS_NOT_FOUND &&
		!interrupted && clock_mono_ms() < end_ms)
		nanosleep(&(struct timespec){0, POLL_MS * 1000000L}, NULL);
	if (found == OPS_NOT_FOUND) {
		forward_act_withdraw(l, ask);
		error_set(why,
			interrupted ? "given up"
				    : "not sent and answered within %llu s; the log of the stage "
				      "forward tells more",
			(unsigned long long)wait_ms / 1000);
	}
	return found;
}

static int
test(struct call *call, struct forward_look *l)
{
	const struct forward_request *rq = call->options;
	struct error why = {""};
	msgpack_object row;
	msgpack_zone zone;
	enum ops_found found;
	uint64_t ask, status = 0;

	found = forward_act_ask(l, rq->name, rq->event, &ask, &why);
	if (found != OPS_FOUND)
		return forward_ended(call, found, &why);
	msgpack_zone_init(&zone, 4096);
	found = await(rq, l, ask, &zone, &row, &why);
	if (found == OPS_FOUND) {
		status = forward_figure(&row, "status");
		if (rq->json)
			object_print(&row);
		else
			print_answer(rq, &row);
	}
	msgpack_zone_destroy(&zone);
	if (found != OPS_FOUND)
		return forward_ended(call, found, &why);
	return status >= 200 && status < 300 ? CLI_DONE : CLI_FAILED;
}

/* A name that is wrong is told first. */
static int
say_down(struct call *call, struct forward_look *l)
{
	const struct forward_request *rq = call->options;
	struct error why = {""};
	const enum ops_found found = forward_look_name(l, rq->name, NULL, &why);

	if (found != OPS_FOUND)
		return forward_ended(call, found, &why);
	forward_tell_down(call);
	return CLI_DOWN;
}

int
forward_test(struct call *call)
{
	return forward_with(call, FORWARD_CHANGE, forward_runs(call) ? test : say_down);
}
