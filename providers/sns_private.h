/* sns_private - between the files of sns. */
#ifndef TROTLINE_PROVIDERS_SNS_PRIVATE_H
#define TROTLINE_PROVIDERS_SNS_PRIVATE_H

#include "scheme.h"

/* The RSA key of a certificate in PEM; it stays the source's, good until the next call. NULL with
 * why: memory is short, or the certificate of no use. */
struct key *sns_key(struct provider_source *source, struct slice pem, struct error *why);

#endif
