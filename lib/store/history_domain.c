/* history_domain - whose mailbox an address is, as a few classes. Pure. Numbers are on disk: a new
 * class comes last. */
#include "history_private.h"

#define CLASSES(C)                                                                                 \
	C("other", "")                                                                             \
	C("gmail", "gmail.com googlemail.com")                                                     \
	C("microsoft",                                                                             \
		"outlook.com hotmail.com live.com msn.com hotmail.co.uk hotmail.fr hotmail.de "    \
		"hotmail.it hotmail.es live.co.uk live.fr live.de live.nl outlook.de outlook.fr "  \
		"outlook.es outlook.it")                                                           \
	C("yahoo", "yahoo.com ymail.com rocketmail.com yahoo.co.uk yahoo.fr yahoo.de yahoo.it "    \
		   "yahoo.es yahoo.co.in yahoo.in yahoo.ca yahoo.com.br yahoo.com.au yahoo.co.jp " \
		   "myyahoo.com")                                                                  \
	C("aol", "aol.com aim.com aol.de aol.co.uk verizon.net")                                   \
	C("apple", "icloud.com me.com mac.com")                                                    \
	C("gmx", "gmx.de gmx.net gmx.at gmx.ch gmx.com mail.com")                                  \
	C("web.de", "web.de")                                                                      \
	C("t-online", "t-online.de magenta.de")                                                    \
	C("proton", "proton.me protonmail.com protonmail.ch pm.me")                                \
	C("fastmail", "fastmail.com fastmail.fm")                                                  \
	C("zoho", "zoho.com zohomail.com zoho.eu")                                                 \
	C("yandex", "yandex.ru yandex.com ya.ru")                                                  \
	C("mail.ru", "mail.ru inbox.ru list.ru bk.ru")                                             \
	C("qq", "qq.com foxmail.com")                                                              \
	C("netease", "163.com 126.com yeah.net")                                                   \
	C("naver", "naver.com")                                                                    \
	C("orange", "orange.fr wanadoo.fr")                                                        \
	C("free", "free.fr")                                                                       \
	C("laposte", "laposte.net")                                                                \
	C("sfr", "sfr.fr neuf.fr")                                                                 \
	C("libero", "libero.it virgilio.it")                                                       \
	C("seznam", "seznam.cz email.cz")                                                          \
	C("wp", "wp.pl o2.pl")                                                                     \
	C("uol", "uol.com.br bol.com.br")                                                          \
	C("comcast", "comcast.net xfinity.com")                                                    \
	C("att", "att.net sbcglobal.net bellsouth.net")                                            \
	C("bt", "btinternet.com")                                                                  \
	C("bluewin", "bluewin.ch")                                                                 \
	C("rediff", "rediffmail.com")

static const struct {
	const char *name, *domains;
} classes[] = {
#define ROW(name, domains) {name, domains},
	CLASSES(ROW)
#undef ROW
};

enum { CLASSES_N = sizeof classes / sizeof *classes, OTHER = 1, SLOTS = 512 };

/* The domains of all rows by their hash; made at first use. */
static struct {
	struct slice domain;
	uint8_t number;
} slots[SLOTS];

static unsigned
slot_of(struct slice domain)
{
	uint32_t x = 0x811c9dc5U;

	for (size_t i = 0; i < domain.n; i++)
		x = (x ^ (unsigned char)domain.p[i]) * 0x01000193U;
	x = (x ^ x >> 16) % SLOTS;
	while (slots[x].number && !slice_eq(slots[x].domain, domain))
		x = (x + 1) % SLOTS;
	return x;
}

static void
fill_slots(void)
{
	for (unsigned i = OTHER; i < CLASSES_N; i++)
		for (const char *at = classes[i].domains; *at; at += strspn(at, " ")) {
			const struct slice domain = {at, strcspn(at, " ")};
			const unsigned slot = slot_of(domain);

			slots[slot].domain = domain;
			slots[slot].number = (uint8_t)(i + 1);
			at += domain.n;
		}
}

uint8_t
domain_class(struct slice email)
{
	static bool filled;
	uint8_t number;
	const char *at = email.n ? memrchr(email.p, '@', email.n) : NULL;
	struct slice domain;

	if (!at)
		return 0;
	domain = (struct slice){at + 1, (size_t)(email.p + email.n - at - 1)};
	if (!filled)
		fill_slots();
	filled = true;
	number = slots[slot_of(domain)].number;
	return number ? number : OTHER;
}

const char *
domain_class_name(uint8_t number)
{
	return number && number <= CLASSES_N ? classes[number - 1].name : NULL;
}
