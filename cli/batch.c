/* batch - says how a batch stands, from the journal and the dead letters themselves.
 *
 * In: the batch's id, as it was answered. Out: counts, and the events that failed. Only reads, so
 * it also works while the pipeline is down. */
#include <stdio.h>

#include "cli.h"
#include "lib/base/field.h"
#include "lib/base/object.h"
#include "lib/ops/batch_status.h"
#include "text.h"

static void
print_text(const msgpack_object *answer)
{
	static const char *const counts[] = {
		"total_events", "successful", "failed", "pending", "duplicates"};
	const msgpack_object *failed = field_get(answer, "failed_events");
	int64_t n;

	printf("%.*s: %.*s\n", SLICE_ARG(field_str(answer, "batch_id")),
		SLICE_ARG(field_str(answer, "status")));
	printf("  %-12s %.*s\n  %-12s %.*s\n", "source", SLICE_ARG(field_str(answer, "source")),
		"received", SLICE_ARG(field_str(answer, "received_at")));
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		if (field_int(answer, counts[i], &n))
			printf("  %-12s %lld\n", counts[i], (long long)n);
	for (uint32_t i = 0; failed && i < failed->via.array.size; i++) {
		const msgpack_object *row = &failed->via.array.ptr[i];

		printf(i ? "  " : "failed\n  ");
		if (field_int(row, "index", &n))
			printf("[%lld] ", (long long)n);
		text_column(field_str(row, "event_id"), 36);
		putchar(' ');
		text_print(field_str(row, "error"), 0);
		putchar('\n');
	}
}

static bool
not_found(const struct config *cfg, const char *id, struct error *why)
{
	const unsigned node = journal_batch_node(slice_of(id));

	if (node && node != cfg->node.number)
		return error_set(why, "%s: not found: node %u took it, and this is node %llu", id,
			node, (unsigned long long)cfg->node.number);
	return error_set(why,
		"%s: not found: no batch of that id is remembered; a batch is for the longest dedup_window",
		id);
}

static bool
ask(const struct call *call, const char *id, bool json, struct error *why)
{
	msgpack_object answer;
	msgpack_zone zone;
	enum ops_found found;

	msgpack_zone_init(&zone, 8192);
	found = batch_status(call->journal, call->letters, slice_of(id), (struct slice){NULL, 0},
		&zone, &answer, why);
	if (found == OPS_NOT_FOUND)
		not_found(call->cfg, id, why);
	else if (found == OPS_FOUND && json)
		object_print(&answer);
	else if (found == OPS_FOUND)
		print_text(&answer);
	msgpack_zone_destroy(&zone);
	return found == OPS_FOUND;
}

static int
run(struct call *call)
{
	const struct cli_plain *a = call->options;
	struct error why = {""};

	return ask(call, call->rest.list[0], a->json, &why) ? CLI_DONE
							    : cli_failed(call->verb, &why);
}

const struct verb verb_batch = {
	.name = "batch",
	.arguments = "ID",
	.summary = "Say how a batch stands, and which of its events failed",
	.details =
		"ID is the batch_id of the answer to the batch. Each of its events is pending while it is in\n"
		"the journal; failed when it was refused, or is a dead letter or one that was dropped; a\n"
		"duplicate when it was known already; and successful otherwise. Remembered for the longest\n"
		"dedup_window. Works while the pipeline is down. Exits 0 when the batch is found, otherwise\n"
		"1.\n",
	CLI_JSON_ALONE("print one JSON object"),
	.actions =
		(const struct action[]){
			{.config = PLAIN_CONFIG,
				.journal = STORE_READ,
				.letters = STORE_READ,
				.run = run},
		},
};
