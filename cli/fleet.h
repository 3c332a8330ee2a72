/* fleet - asks the nodes of a fleet at their admin listeners, all at once, each for so long at most.
 *
 * The nodes are those of fleet.nodes, and this one where it does not stand among them. A node that does
 * not answer is a row that says so: nothing here fails as a whole for one. */
#ifndef TROTLINE_CLI_FLEET_H
#define TROTLINE_CLI_FLEET_H

#include <msgpack.h>

#include "cli.h"
#include "lib/base/map.h"

enum { FLEET_MS = 3000 };

struct fleet_node {
	const char *name;
	bool self;
	char *base; /* https://host:port; NULL: `why` says why it cannot be asked */
	char *token;
	const char *ca_file;

	/* What it has answered. */
	long status;             /* of HTTP; 0: nothing */
	msgpack_object answer;   /* in the fleet's zone; nil: none, or no JSON object */
	struct error why;        /* why that is */
	uint64_t at_ms, took_ms; /* of the middle of the question, by this machine's clock */
	char *text;
	size_t n;
};

struct fleet {
	const struct config *cfg;
	struct fleet_node *list;
	size_t n;
	msgpack_zone zone;
};

/* Reads the tokens. False with the cause where there is no fleet; fleet_close it in any case. */
bool fleet_open(struct fleet *f, const struct config *cfg, struct error *why);
void fleet_close(struct fleet *f);

/* Asks each, once: GET, or POST where there is a body, which must be JSON. */
void fleet_ask(struct fleet *f, const char *path, const msgpack_object *body);

/* Has it answered 200 with an object? */
bool fleet_answered(const struct fleet_node *node);

/* Why not, on stderr: "trotline VERB: NODE: cause", for each that has not; a 404 counts as an answer.
 * How many. */
size_t fleet_tell_silent(const struct fleet *f, const struct verb *verb);

/* The exit code for so many silent nodes: all have answered, some have, or none: CLI_DONE, CLI_FAILED, CLI_DOWN. */
int fleet_status(const struct fleet *f, size_t silent);

/* {node, error} of one that has not answered, for a list. */
msgpack_object fleet_silent_object(const struct fleet_node *node, msgpack_zone *zone);

/* Each node's answer with its name, or that object. */
msgpack_object fleet_objects(struct fleet *f);

/* Prints {nodes: that list}. */
void fleet_print_json(struct fleet *f);

/* A map with one more key in front: what node it is of. */
msgpack_object fleet_named(
	const struct fleet_node *node, const msgpack_object *map, msgpack_zone *zone);

/* No store of this machine is opened then. */
void fleet_instead_of_stores(struct call *call);

/* Instead of a verb's own run, with --fleet. */
int fleet_run_status(struct call *call, bool json);
int fleet_run_event(struct call *call, const char *id, const char *source, bool json);

int fleet_run_person(struct call *call);

struct dlq_request;
int fleet_run_dlq(struct call *call, const struct dlq_request *rq);

#endif
