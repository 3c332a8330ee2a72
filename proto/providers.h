/* providers - which senders there are, for those who need not know how they work. */
#ifndef TROTLINE_PROTO_PROVIDERS_H
#define TROTLINE_PROTO_PROVIDERS_H

#include <stdbool.h>
#include <stddef.h>

/* X(name, busy): providers/<name>.c gives provider_<name>; trotline's is in generic.c.
 * busy: the HTTP status that says "the trouble is ours, come again" to this sender. */
#define PROVIDERS(X)                                                                               \
	X(trotline, 503)                                                                           \
	X(generic, 503)                                                                            \
	X(sendgrid, 503)                                                                           \
	X(mailgun, 503)                                                                            \
	X(postmark, 503)                                                                           \
	X(ses, 503)                                                                                \
	X(sparkpost, 503)                                                                          \
	X(mandrill, 503)                                                                           \
	X(mailjet, 503)                                                                            \
	X(brevo, 429)                                                                              \
	X(resend, 503)                                                                             \
	X(mailersend, 503)                                                                         \
	X(postal, 503)

/* As in trotline.yaml; in the order of `providers`. */
extern const char *const provider_names[];
extern const size_t provider_names_count;
bool provider_is_known(const char *name);

/* The status for trouble of ours; 503 for a name that is none, and for NULL. */
unsigned provider_busy(const char *name);

#endif
