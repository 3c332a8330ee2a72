/* config_take_lists - lists of values out of the file's entries, or of the words that stand for what is left
 * out: texts, secrets, durations, headers. */
#include <stdio.h>
#include <stdlib.h>

#include "config_private.h"

/* out: NULL where the form alone is checked. */
static bool
take_secret(const struct config_load *ld, const char *key, const char *text, char **out)
{
	if (out)
		text = *out = config_expand(ld, key, text);
	else if (!config_expand_check(ld, key, text))
		return false;
	if (!text || *text)
		return text != NULL;
	if (out)
		free(*out);
	return config_fault(ld, key, "the secret is empty");
}

/* The i-th word of a list that is left out. */
static struct config_key
word_of(const char *words, size_t i)
{
	while (i--)
		words += strcspn(words, " ") + 1;
	return config_key("%.*s", (int)strcspn(words, " "), words);
}

size_t
config_words(const char *words)
{
	size_t n = *words != 0;

	while ((words = strchr(words, ' '))) {
		words++;
		n++;
	}
	return n;
}

/* As written, or the word that stands for it; valid until the next. */
static const char *
text_at(const struct config_load *ld, const struct config_option *option, const char *key, size_t i,
	struct config_key *word)
{
	const struct config_entry *entry =
		config_entry_find(ld, config_key("%s[%zu]", key, i).text);

	if (entry)
		return entry->text;
	*word = word_of(option->fallback, i);
	return word->text;
}

bool
config_take_durations(const struct config_load *ld, const struct config_option *option,
	const char *key, size_t n, void *base)
{
	uint64_t *list = *(uint64_t **)config_member(option, base) = calloc(n + 1, sizeof *list);
	struct config_key least = word_of(option->least, 0), most = word_of(option->least, 1), word;
	const struct config_option each = {
		.type = OPTION_DURATION, .least = least.text, .most = most.text};

	if (!list)
		return config_memory_is_short(ld, key);
	for (size_t i = 0; i < n; i++) {
		const char *text = text_at(ld, option, key, i, &word);

		if (!config_take_text(
			    ld, &each, config_key("%s[%zu]", key, i).text, text, &list[i]))
			return false;
		++*config_count(option, base);
	}
	return n > 0 || config_fault(ld, key, "at least one is needed");
}

/* "Name: value" out of one of the group's entries. */
static char *
take_header(const struct config_load *ld, const struct config_entry *entry)
{
	char *value = config_expand(ld, entry->key, entry->text), *out = NULL;

	if (value && asprintf(&out, "%s: %s", strrchr(entry->key, '.') + 1, value) < 0) {
		config_memory_is_short(ld, entry->key);
		out = NULL;
	}
	if (value)
		explicit_bzero(value, strlen(value));
	free(value);
	return out;
}

bool
config_take_headers(const struct config_load *ld, const struct config_option *option,
	const char *key, size_t n, void *base)
{
	const bool kept = config_is_for(ld, option);
	char **list = kept ? calloc(n + 1, sizeof *list) : NULL;
	const size_t length = strlen(key);

	if (kept && !list)
		return config_memory_is_short(ld, key);
	*(char ***)config_member(option, base) = list;
	for (const struct config_entry *e = ld->written; e; e = e->before) {
		if (!e->text || strncmp(e->key, key, length) != 0 || e->key[length] != '.')
			continue;
		if (!kept && !config_expand_check(ld, e->key, e->text))
			return false;
		if (kept && !(list[*config_count(option, base)] = take_header(ld, e)))
			return false;
		*config_count(option, base) += kept;
	}
	return true;
}

bool
config_take_texts(const struct config_load *ld, const struct config_option *option, const char *key,
	size_t n, void *base)
{
	const bool secret = option->type == OPTION_SECRETS;
	const bool kept = !secret || config_is_for(ld, option);
	char **list = kept ? calloc(secret ? CONFIG_SECRETS_MAX : n + 1, sizeof *list) : NULL;
	const struct config_option each = {.type = OPTION_TEXT};
	struct config_key word;

	if (kept && !list)
		return config_memory_is_short(ld, key);
	*(char ***)config_member(option, base) = list;
	for (size_t i = 0; i < n; i++) {
		struct config_key full = config_key("%s[%zu]", key, i);
		const char *text = text_at(ld, option, key, i, &word);
		const bool given = kept && (!secret || config_is_given(ld, option, text));
		char **out = given ? &list[*config_count(option, base)] : NULL;

		if (secret ? !take_secret(ld, full.text, text, out)
			   : !config_take_text(ld, &each, full.text, text, out))
			return false;
		*config_count(option, base) += given;
	}
	return true;
}
