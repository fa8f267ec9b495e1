"""What a page must satisfy whoever looks at it: contrast, language, size of targets, no sideways scrolling."""

from typing import Any

from playwright.async_api import Page

# Every visible text with its contrast against what lies behind it (WCAG 2.2, 1.4.3); large is 24 px, or 18.66 bold.
_CONTRAST = """() => {
  const parse = (text) => [...text.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const part = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    const sheet = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
    return layers.reverse().reduce((below, layer) => over(layer, below), sheet);
  };
  const bad = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest(".unseen, .skip, svg, template, noscript")) continue;
    const style = getComputedStyle(element);
    const back = behind(element);
    const [one, two] = [light(over(parse(style.color), back)), light(back)].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const said = walker.currentNode.textContent.trim().slice(0, 30);
    if (ratio < needed) bad.push(`${said}: ${ratio.toFixed(2)} of ${needed}`);
  }
  return bad;
}"""

# Chinese text must stand inside lang="zh-Hans", and what is marked as English must hold no Chinese.
_LANGUAGE = """() => {
  const bad = [];
  const chinese = /[\\u4e00-\\u9fff]/;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || element.closest("svg, .unseen")) continue;
    const language = element.closest("[lang]").lang;
    if (chinese.test(text) && !language.startsWith("zh")) bad.push(`${text}: in ${language}`);
    const marked = element.closest("[lang]").classList.contains("en");
    if (/[A-Za-z]{3,}/.test(text) && !chinese.test(text) && marked && language !== "en") bad.push(text);
  }
  return bad;
}"""

_TARGETS = """(least) => [...document.querySelectorAll("button, a[href], input:not([type=hidden])")]
  .filter((each) => each.checkVisibility() && !each.classList.contains("skip"))
  .map((each) => [each.textContent.trim().replace(/\\s+/g, " "), each.getBoundingClientRect()])
  .filter(([, box]) => box.width < least || box.height < least)
  .map(([name, box]) => `${name}: ${Math.round(box.width)} x ${Math.round(box.height)}`)"""

_CAPITALS = """(least) => {
  const small = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest(".unseen, dialog:not([open]), svg, noscript")) continue;
    const height = parseFloat(getComputedStyle(element).fontSize) * 0.714 * 25.4 / 96;
    const said = walker.currentNode.textContent.trim().slice(0, 30);
    if (height < least) small.push(`${said}: ${height.toFixed(2)} mm`);
  }
  return small;
}"""


async def too_faint(page: Page) -> Any:
    """Texts whose contrast is below WCAG 2.2 AA."""
    return await page.evaluate(_CONTRAST)


async def wrong_language(page: Page) -> Any:
    """Texts that a screen reader would speak in the wrong language."""
    return await page.evaluate(_LANGUAGE)


async def too_small(page: Page, least_px: float) -> Any:
    """Keys and links that are narrower or lower than ``least_px``."""
    return await page.evaluate(_TARGETS, least_px)


async def low_capitals(page: Page, least_mm: float) -> Any:
    """Texts whose capital letters are lower than ``least_mm`` at 96 dpi (capitals of Noto Sans: 0.714 em)."""
    return await page.evaluate(_CAPITALS, least_mm)


async def scrolls_sideways(page: Page) -> bool:
    """Whether the page is wider than the window."""
    wider: bool = await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return wider
