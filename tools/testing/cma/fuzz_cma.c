// SPDX-License-Identifier: GPL-2.0
/* cma=: there is a complaint if, and only if, it is not SIZE[@BASE[-LIMIT]]. */
#include "fuzz_option.h"

static bool well_formed(const char *text)
{
	bool wrapped;
	u64 value;

	if (!skip_number(&text, &value, &wrapped))
		return false;
	if (*text == '@') {
		text++;
		if (!skip_number(&text, &value, &wrapped) ||
		    !skip_marked(&text, '-', &value, &wrapped))
			return false;
	}
	return !*text;
}

int fuzz_one(const unsigned char *data, size_t size)
{
	char *text = tight_copy(data, strnlen((const char *)data, size));

	reset_options();
	cma_check_boot_option(text);
	MUST(complaints == !well_formed(text));
	free(text);
	return 0;
}
