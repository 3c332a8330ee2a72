/* names - which providers there are, for those who need not know how they work. */
#ifndef TROTLINE_PROTO_PROVIDERS_H
#define TROTLINE_PROTO_PROVIDERS_H

#include <stdbool.h>
#include <stddef.h>

/* X(name): providers/<name>.c gives provider_<name>; trotline's is in generic.c. */
#define PROVIDERS(X)                                                                               \
	X(trotline)                                                                                \
	X(generic)                                                                                 \
	X(sendgrid)                                                                                \
	X(mailgun)                                                                                 \
	X(postmark)                                                                                \
	X(ses)                                                                                     \
	X(sparkpost)                                                                               \
	X(mandrill)                                                                                \
	X(mailjet)                                                                                 \
	X(brevo)                                                                                   \
	X(resend)                                                                                  \
	X(mailersend)                                                                              \
	X(postal)

/* As in trotline.yaml; in the order of `providers`. */
extern const char *const provider_names[];
extern const size_t provider_names_count;
bool provider_is_known(const char *name);

#endif
