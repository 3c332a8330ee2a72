/* key_private - what key.c and key_public.c share. */
#ifndef TROTLINE_PROVIDERS_KEY_PRIVATE_H
#define TROTLINE_PROVIDERS_KEY_PRIVATE_H

#include "key.h"

enum { SECRET_MAX = 16384 /* bytes of a secret's text */ };

/* The key of a text (KEY_EC_P256, KEY_RSA), which the caller frees; NULL with why when it is none,
 * of another kind, too short, or a private one. */
EVP_PKEY *public_key_read(enum key_form form, struct slice text, struct error *why);

#endif
