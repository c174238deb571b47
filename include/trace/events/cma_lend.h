/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Trace events of the lending contiguous allocator, beside those of
 * trace/events/cma.h, which keep their names and meaning.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM cma_lend

#if !defined(_TRACE_CMA_LEND_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_CMA_LEND_H

#include <linux/tracepoint.h>
#include <trace/events/mmflags.h>

/* A request gave up for this page.  The page may be another's by now. */
TRACE_EVENT(cma_lend_blocked,

	TP_PROTO(const char *name, const struct cma_culprit *culprit),

	TP_ARGS(name, culprit),

	TP_STRUCT__entry(
		__string(name, name)
		__string(owner, culprit->owner)
		__field(unsigned long, pfn)
		__field(unsigned long, flags)
		__field(int, refs)
		__field(int, expected)
		__field(unsigned int, ms)
	),

	TP_fast_assign(
		__assign_str(name);
		__assign_str(owner);
		__entry->pfn = culprit->pfn;
		__entry->flags = culprit->flags;
		__entry->refs = culprit->refs;
		__entry->expected = culprit->expected;
		__entry->ms = culprit->ms;
	),

	TP_printk("name=%s pfn=0x%lx owner=%s refs=%d expected=%d blocked_ms=%u flags=%s",
		  __get_str(name), __entry->pfn, __get_str(owner),
		  __entry->refs, __entry->expected, __entry->ms,
		  show_page_flags(__entry->flags & PAGEFLAGS_MASK))
);

#endif /* _TRACE_CMA_LEND_H */

/* This part must be outside protection. */
#include <trace/define_trace.h>
