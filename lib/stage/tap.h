/* tap - the PUB feed of a stage: for watching only; losing it loses nothing.
 *
 * A message is two parts: the topic, "<kind>.<detail>" (event.<type>, verdict.<verdict>,
 * stats.<stage>), then the frame. Nothing is packed or copied while nobody listens to the kind. */
#ifndef TROTLINE_TAP_H
#define TROTLINE_TAP_H

#include <czmq.h>
#include <stdbool.h>

#include "lib/base/slice.h"
#include "lib/config/config.h"

struct tap;

/* Binds <run>/tap-<stage>.<instance>. */
struct tap *tap_new(
	const struct config *cfg, const char *stage, size_t instance, struct error *why);
void tap_destroy(struct tap **tap);

/* For polling: something to read is a watcher who comes or goes, which tap_wanted takes in. */
zsock_t *tap_sock(struct tap *tap);

/* Somebody subscribed to topics that begin like kind. */
bool tap_wanted(struct tap *tap, const char *kind);
void tap_send(struct tap *tap, const char *kind, struct slice detail, const void *frame, size_t n);

/* How often a watcher was too slow so far, and lost messages: how many nobody knows. */
uint64_t tap_dropped(const struct tap *tap);

/* The other end: a SUB socket that follows all stages of a configuration, which must outlive it.
 * topic is the first subscription; more by zsock_set_subscribe. */
struct tap_feed;
struct tap_feed *tap_feed_new(const struct config *cfg, const char *topic, struct error *why);
void tap_feed_destroy(struct tap_feed **feed);
/* Connects to stages that have appeared since; call it every second or so. */
void tap_feed_refresh(struct tap_feed *feed);
zsock_t *tap_feed_sock(struct tap_feed *feed); /* stays the feed's */

#endif
