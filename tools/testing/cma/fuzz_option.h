/* SPDX-License-Identifier: GPL-2.0 */
/* What the fuzzers of boot options share: a second opinion on numbers. */
#ifndef CMA_FUZZ_OPTION_H
#define CMA_FUZZ_OPTION_H

#include "fuzz.h"
#include "option.h"

/* By the C library.  @value is of use only if true comes back: it did not wrap. */
static inline bool skip_number(const char **pos, u64 *value, bool *wrapped)
{
	static const char units[] = "KMGTPE";
	const char *unit;
	char *end;

	if (!isdigit((unsigned char)**pos))
		return false;
	errno = 0;
	*value = strtoull(*pos, &end, 0);
	*wrapped = errno == ERANGE;
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		end++;
		if (*value >> (64 - 10 * (unit - units + 1)))
			*wrapped = true;
		*value <<= 10 * (unit - units + 1);
	}
	*pos = end;
	return true;
}

/* A mark and a number behind it, if the mark is there.  False if there is no number. */
static inline bool skip_marked(const char **pos, char mark, u64 *value,
			       bool *wrapped)
{
	bool again = false, ok;

	if (**pos != mark)
		return true;
	++*pos;
	ok = skip_number(pos, value, &again);
	*wrapped |= again;
	return ok;
}

#endif /* CMA_FUZZ_OPTION_H */
