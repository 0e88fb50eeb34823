/*
 * no_translations.c
 *	  The functions that choose a message catalog, doing nothing.
 *
 * Preloaded after AddressSanitizer: a stock postgres that starts with it hangs
 * in the C library's own versions of these.
 */
char *
textdomain(const char *domain)
{
	return (char *) domain;
}

char *
bindtextdomain(const char *domain, const char *directory)
{
	(void) domain;
	return (char *) directory;
}

char *
bind_textdomain_codeset(const char *domain, const char *codeset)
{
	(void) domain;
	return (char *) codeset;
}
