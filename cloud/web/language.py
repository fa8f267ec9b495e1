"""Which language a citizen reads first. Both are always on the page."""

from starlette.requests import Request


def chinese_first(request: Request) -> bool:
    """``?lang=zh|en`` decides, then the browser's wish, then Chinese."""
    wish = request.query_params.get("lang", "")
    if wish in ("zh", "en"):
        return wish == "zh"
    return _preferred(request.headers.get("accept-language", "")) != "en"


def _preferred(header: str) -> str:
    best, best_weight = "zh", 0.0
    for entry in header.split(",")[:20]:
        tag, _, weight = entry.partition(";q=")
        language = tag.strip().lower().partition("-")[0]
        if language in ("zh", "en") and (value := _weight(weight)) > best_weight:
            best, best_weight = language, value
    return best


def _weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0
