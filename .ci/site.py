"""Makes links out of the documentation lead to the repository, where the site is built."""

import posixpath
import re

REPOSITORY = "https://github.com/cloakroom-bff/cloakroom/blob/main/"
OUTWARD = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)([^)\s]*)\)")


def on_page_markdown(markdown, page, **_):
    here = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def outward(match):
        target = posixpath.normpath(posixpath.join(here, match[1]))
        if target.startswith("docs/"):
            return match[0]
        return f"]({REPOSITORY}{target}{match[2]})"

    return OUTWARD.sub(outward, markdown)
