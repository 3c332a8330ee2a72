/* types - the facts about event types: which name on the wire belongs to which handler. */
#ifndef TROTLINE_TYPES_H
#define TROTLINE_TYPES_H

#include <stddef.h>

#include "lib/base/slice.h"

/* X(type on the wire, handler that takes it). A handler is a process `trotline-handler-<name>`
 * and a route of the same name; what stands in no row goes to the last handler, `unknown`. */
#define EVENT_TYPES(X)                                                                             \
	X("email_delivered", "delivered")                                                          \
	X("email_bounced", "bounced")                                                              \
	X("email_deferred", "deferred")                                                            \
	X("email_blocked", "blocked")                                                              \
	X("email_complained", "complained")                                                        \
	X("email_opened", "opened")                                                                \
	X("email_clicked", "clicked")                                                              \
	X("email_forwarded", "forwarded")                                                          \
	X("email_replied", "replied")                                                              \
	X("email_unsubscribed", "unsubscribed")                                                    \
	X("email_verified", "verified")                                                            \
	X("email_accepted", "accepted")                                                            \
	X("email_rejected", "rejected")                                                            \
	X("email_failed", "rejected")                                                              \
	X("email_subscribed", "subscribed")                                                        \
	X("email_received", "received")                                                            \
	X("email_autoresponded", "received")                                                       \
	X("verification_bulk_completed", "verification")                                           \
	X("verification_result", "verification")                                                   \
	X("verification_quota", "verification")                                                    \
	X("system_rate_limit", "system")                                                           \
	X("system_account_status", "system")                                                       \
	X("system_maintenance", "system")                                                          \
	X("system_notice", "system")                                                               \
	X("system_error", "system")                                                                \
	X("unknown", "unknown")

struct event_type {
	const char *name;
	const char *handler;
};

/* The table above, in its order. */
extern const struct event_type event_types[];
extern const size_t event_types_count;

/* The row of a type, or NULL for a type that stands in no row. */
const struct event_type *event_type_find(struct slice type);

#endif
