"""What parameters and properties are called that have to do with paging. Names are squashed: `page[size]` is `pagesize`."""

from __future__ import annotations

import re
from typing import Literal

Part = Literal["cursor", "back", "offset", "page", "size"]

NAMES: dict[Part, tuple[str, ...]] = {
    "cursor": (
        "cursor", "pagecursor", "nextcursor", "after", "aftercursor", "startingafter", "startafter", "pageafter",
        "pagetoken", "nextpagetoken", "nexttoken", "token", "continue", "continuation", "continuationtoken",
        "continuetoken", "marker", "nextmarker", "startmarker", "bookmark", "scrollid", "scroll", "skiptoken",
        "paginationtoken", "paginationkey", "nextkey", "starttoken", "startkey", "startcursor", "exclusivestartkey",
        "lastevaluatedkey", "pageinfo", "nextpagecursor", "lastid", "afterid", "sinceid", "position", "nextpage",
        "searchafter", "resumetoken", "nextid", "nextrecordsurl", "cursormark", "nextpagekey", "pagingtoken",
        "paginationcursor", "cursortoken", "endcursor", "cursorid", "nextpageid", "aftertoken", "nextbookmark",
        "pagekey", "offsettoken", "nextpaginationtoken", "startingtoken", "lastkey", "nextcursormark", "pageid",
    ),
    "back": (
        "before", "endingbefore", "beforecursor", "pagebefore", "previouscursor", "prevcursor", "endbefore", "beforeid",
        "prevpagetoken", "previouspagetoken", "maxid",
    ),
    "offset": (
        "offset", "skip", "pageoffset", "startat", "startindex", "startoffset", "startingindex", "startposition",
        "from", "start", "firstresult", "recordoffset", "startrow", "sysparmoffset", "skipcount", "limitstart",
        "resultoffset", "recordstart", "startrecord", "firstrecord", "firstrow", "startfrom", "startingat", "ofs", "resultsoffset",
        "itemoffset", "pagestart", "startitem",
    ),
    "page": (
        "page", "pagenumber", "pageno", "pagenum", "pageindex", "currentpage", "pagenr", "paged", "pageidx",
        "resultpage", "startpage", "pgnum",
    ),
    "size": (
        "limit", "perpage", "pagesize", "pagelimit", "size", "count", "maxresults", "top", "first", "take", "rows",
        "numresults", "resultsperpage", "itemsperpage", "recordsperpage", "pagecount", "maxitems", "maxpagesize",
        "maxrecords", "batchsize", "results", "max", "num", "fetchlimit", "sysparmlimit", "maxcount", "maximumresults",
        "maxentries", "maxkeys", "limitpagelength", "resultrecordcount", "resultlimit", "rowlimit", "recordlimit",
        "numberofresults", "pagelength", "pglen", "per", "maxlimit", "numitems", "rowcount",
    ),
}  # fmt: skip
SIZE_ORDER = {name: i for i, name in enumerate(NAMES["size"])}
BY_RECORD = frozenset({"startingafter", "startafter", "after", "afterid", "sinceid", "lastid", "startid"})
"""Cursors that are the id of the last record seen."""
PART_OF: dict[str, Part] = {name: part for part, names in NAMES.items() for name in names}
HOLDS_KNOBS = frozenset(
    {
        "page",
        "pagination",
        "paging",
        "pager",
        "pageinfo",
        "pagerequest",
        "pageable",
        "paginationinput",
        "options",
    }
)
"""Objects whose properties are the parameters: `page[size]` in a query, `pagination.page` in a body."""

NEXT_VALUES = (
    "nextcursor", "nextpagetoken", "nexttoken", "nextpagecursor", "continuationtoken", "nextcontinuationtoken",
    "nextmarker", "endcursor", "nextkey", "aftercursor", "nextstartkey", "lastevaluatedkey", "scrollid",
    "paginationtoken", "nextid", "nextoffset", "pagetoken", "resumetoken", "continue", "nextpagekey",
    "nextcursormark", "nextpageid", "nextbookmark", "nextpaginationtoken", "nextposition", "nextpagecursortoken",
    "nextstartcursor", "cursornext", "nextscrollid", "nextcontinuation", "nextskiptoken",
)  # fmt: skip
NEXT_URLS = (
    "nextpageuri", "nextpageurl", "nexturl", "nexturi", "nextlink", "odatanextlink", "nexthref", "nextrecordsurl",
    "nextpagelink", "nextpagehref", "paginationnexturl", "moreresultsurl", "nextpagepath",
)  # fmt: skip
VAGUE = ("next", "nextpage")
HOLDERS = (
    "paging", "pagination", "links", "meta", "metadata", "cursors", "next", "nextpage", "pages", "page", "pageinfo",
    "responsemetadata", "cursor", "listmetadata", "responsemeta", "paginginfo", "data",
    "additionaldata", "result", "response", "d", "listinfo", "resultinfo", "pager", "paginationinfo", "payload",
    "paginationmeta", "paginationmetadata", "pagingmetadata", "resultset", "pagedata", "navigation", "summary", "records",
)  # fmt: skip
HAS_MORE = (
    "hasmore", "hasmoreitems", "moreavailable", "moreitemsincollection", "hasnext", "hasnextpage", "hasmorepages",
    "hasmoreresults", "more", "morerecords", "istruncated", "hasmoredata", "hasmorerecords", "moredataavailable", "ismore", "nextpageexists",
)  # fmt: skip
ANNOUNCING = frozenset({*NEXT_VALUES, *NEXT_URLS, *HAS_MORE, "next", "nextpage", "pagelen"}) - {
    "more",
    "continue",
}
TOTAL = (
    "total", "totalcount", "totalresults", "totalitems", "totalrecords", "totalsize", "totalelements", "itemcount",
    "odatacount", "totalentries", "totalnumberofresults", "totalhits", "recordstotal", "totalrows", "totalresultscount",
    "totalnumberofrecords", "fullcount", "totalnumber", "itemstotal",
)  # fmt: skip
LINKS = frozenset({"link", "links"})
"""Arrays of links of which one may lead to the next page."""
RELATIONS = ("rel", "relation")
TARGETS = ("href", "url", "uri")

OPAQUE = re.compile(r"\b(opaque|cursor|token|pagination key)\b", re.IGNORECASE)
NUMBERED = re.compile(r"\bpage (number|index)\b|\bnumber of the page\b|\bwhich page\b", re.IGNORECASE)
SECRET = re.compile(r"\b(auth\w*|access|api|credentials?|secret|scopes?|login|session)\b", re.IGNORECASE)
PAGING = re.compile(r"\b(pages?|paging|paginat\w+|next|cursor|continu\w+|results?)\b", re.IGNORECASE)
FROM_ZERO = re.compile(
    r"\b(?:zero|0)[- ](?:based|indexed)|\b(?:starts?|starting|begins?|counted|counting|numbered) (?:at|from|with) (?:0|zero)\b"
    r"|\(0\.\.N\)|\bfirst page (?:is|has number|being) (?:0|zero)\b",
    re.IGNORECASE,
)
FROM_ONE = re.compile(
    r"\b(?:one|1)[- ](?:based|indexed)|\b(?:starts?|starting|begins?|counted|counting|numbered) (?:at|from|with) (?:1|one)\b"
    r"|\bfirst (?:result|record|item|row)\b[^.]{0,20}\bis (?:1|one)\b",
    re.IGNORECASE,
)
_NUMBER = r"[:\s`*'\"]*([1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]{0,4})\b"
MAXIMUM = re.compile(
    r"\b(?:max(?:imum)?(?: (?:and|default|is|of|value|allowed|page size|number|results?|items?|records?|limit|per page))*|up to"
    r"(?: a maximum of)?|at most|between (?:0|1|one) and|(?:0|1) to|(?:range|value)[^.\n]{0,20}\b(?:0|1)\s*(?:[-–]|to|\.\.\.?)"
    r"|[01]\s*[-–]|no more than|not more than|limited to|larger than|greater than|(?:less|lower) than or equal to|exceeds?"
    r"|<=|≤)" + _NUMBER
    + r"(?! *(?:days?|hours?|minutes?|months?|years?|seconds?|char|KB|MB|%|/))",
    re.IGNORECASE,
)  # fmt: skip
DEFAULT = re.compile(r"\bdefault(?:s| value| limit| is| to|:|=|\s|`|\()*([1-9][0-9]{0,4})\b", re.IGNORECASE)
