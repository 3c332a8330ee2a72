/* providers - which senders there are, for those who need not know how they work. */
#ifndef TROTLINE_PROTO_PROVIDERS_H
#define TROTLINE_PROTO_PROVIDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, busy, age, future, body): providers/<name>.c gives provider_<name>; trotline's is in generic.c.
 * busy: the HTTP status that says "the trouble is ours, come again" to this sender.
 * age, future: by default the signed time may lie so many s behind, which is the sender's own retry
 * horizon at least (SendGrid's and ten minutes for its last attempt to arrive), and ahead; 0: the
 * sender signs no time, or by its scheme.
 * body: the largest body that it sends, KiB; 0: nothing bounds it but limits.batch_size (or event_size).
 * SendGrid documents batches of 768 kB; SNS messages of 256 KiB, which its envelope quotes; Mailgun sends
 * one event, whose texts are read to prove it. */
#define PROVIDERS(X)                                                                               \
	X(trotline, 503, 600, 300, 0)                                                              \
	X(generic, 503, 0, 0, 0)                                                                   \
	X(sendgrid, 503, 87000, 600, 2048)                                                         \
	X(mailgun, 503, 30000, 600, 1024)                                                          \
	X(postmark, 503, 0, 0, 0)                                                                  \
	X(ses, 503, 28800, 900, 512)                                                               \
	X(sparkpost, 503, 0, 0, 0)                                                                 \
	X(mandrill, 503, 0, 0, 0)                                                                  \
	X(mailjet, 503, 0, 0, 0)                                                                   \
	X(brevo, 429, 0, 0, 0)                                                                     \
	X(resend, 503, 300, 300, 0)                                                                \
	X(mailersend, 503, 0, 0, 0)                                                                \
	X(postal, 503, 0, 0, 0)

/* X(name in trotline.yaml, age, future): likewise of schemes that sign a time and may be chosen.
 * Standard Webhooks demands 300 s either way; Stripe's libraries differ, and one side alone would
 * leave what is signed ahead good for as long. */
#define SCHEME_WINDOWS(X)                                                                          \
	X("stripe", 300, 300)                                                                      \
	X("standard-webhooks", 300, 300)

/* As in trotline.yaml; in the order of `providers`. */
extern const char *const provider_names[];
extern const size_t provider_names_count;
bool provider_is_known(const char *name);

/* How far behind and ahead a signed time may lie, ms; 0: without limit. */
struct provider_window {
	uint64_t max_age_ms, max_future_ms;
};

/* By default: the provider's, else the scheme's (which may be NULL). Both 0 where no time is signed.
 */
struct provider_window provider_usual_window(const char *provider, const char *scheme);

/* What holds where this is written (0: not). A window has two sides: one that is written with an age
 * alone ends 5 min ahead. */
struct provider_window provider_window(
	const char *provider, const char *scheme, struct provider_window written);

/* The status for trouble of ours; 503 for a name that is none, and for NULL. */
unsigned provider_busy(const char *name);

/* The largest body that this provider sends, bytes; 0: nothing is known of one. */
uint64_t provider_body(const char *name);

#endif
